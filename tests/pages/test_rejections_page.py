"""The page of the faces that were told apart: listed, and let in again."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from alerts import rejections, review
from alerts.models import NOT_THIS_PERSON, Alert, Rejection
from tests import make

pytestmark = pytest.mark.django_db

PAGE = "/alerts/rejections/"


def rejected(name: str = "Ada Example") -> Rejection:
    """A face that is not somebody."""
    person = make.person(name)
    alert: Alert = make.alert(watchlist=make.watchlist(f"List of {name}"), person=person)
    review.decide(
        alert, status="dismissed", reason=NOT_THIS_PERSON, by=make.user(f"by {name}"), version=1
    )
    return Rejection.objects.get(person=person)


def test_each_is_listed_with_what_it_hid(client: Client, operator: Any) -> None:
    rejected()
    Rejection.objects.update(hits=3)
    page = client.get(PAGE).content.decode()
    assert "not Ada Example" in page
    assert "hid 3 sightings" in page


def test_undoing_one_takes_it_off_the_list(client: Client, operator: Any) -> None:
    row = rejected()
    answer = client.post(f"{PAGE}{row.pk}/undo/", follow=True)
    assert "may raise alerts for Ada Example again" in answer.content.decode()
    assert not rejections.in_force().exists()


def test_who_may_not_review_undoes_nothing(client: Client, uploader: Any) -> None:
    row = rejected()
    assert client.get(PAGE).status_code == 403
    assert client.post(f"{PAGE}{row.pk}/undo/").status_code == 403
    assert rejections.in_force().exists()


@pytest.mark.parametrize("count", [1, 4])
def test_the_queries_do_not_grow(
    client: Client,
    operator: Any,
    django_assert_num_queries: DjangoAssertNumQueries,
    count: int,
) -> None:
    for number in range(count):
        rejected(f"P{number}")
    client.get(PAGE)
    with django_assert_num_queries(6):
        client.get(PAGE)
