"""Rejected faces: listed, and let in again by those who review."""

import pytest
from rest_framework.test import APIClient

from alerts import rejections
from alerts.models import Rejection
from tests import make
from tests.api.conftest import problem

pytestmark = pytest.mark.django_db

REJECTIONS = "/api/v1/rejections/"


@pytest.fixture
def rejection() -> Rejection:
    """A face that is not Ada."""
    ada = make.person("Ada")
    alert = make.alert(watchlist=make.watchlist(), person=ada)
    made = rejections.reject(alert, by=None)
    assert made
    return made


def test_one_is_listed_and_let_in_again(operator: APIClient, rejection: Rejection) -> None:
    (row,) = operator.get(REJECTIONS).json()["results"]
    assert row["person"]["name"] == "Ada"
    assert row["alert"] == str(rejection.alert_id)
    assert operator.delete(f"{REJECTIONS}{row['id']}/").status_code == 204
    assert operator.get(REJECTIONS).json()["results"] == []
    problem(operator.delete(f"{REJECTIONS}{row['id']}/"), 404, "not_found")


def test_uploaders_see_none(uploader: APIClient, rejection: Rejection) -> None:
    problem(uploader.get(REJECTIONS), 403, "permission_denied")
    problem(uploader.delete(f"{REJECTIONS}{rejection.pk}/"), 403, "permission_denied")
