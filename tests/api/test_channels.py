"""Subscriptions of webhooks and of Apprise: their secrets, and who may see and make them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from pytest_django import Settings
from rest_framework.test import APIClient

from alerts.models import Subscription
from tests import make
from tests.api.conftest import problem

pytestmark = pytest.mark.django_db

SUBSCRIPTIONS = "/api/v1/subscriptions/"


def sent(**fields: Any) -> dict[str, Any]:
    facts = {"channel": "webhook", "target": "https://hooks.example.org/in", "mode": "instant"}
    return {"watchlist": str(make.watchlist().pk)} | facts | fields


def test_a_webhooks_secret_is_told_once(manager: APIClient) -> None:
    made = manager.post(SUBSCRIPTIONS, sent(), format="json").json()
    assert made["secret"].startswith("whsec_")
    again = manager.get(f"{SUBSCRIPTIONS}{made['id']}/").json()
    assert "secret" not in again


def test_a_secret_is_changed_on_request_and_the_old_one_kept(manager: APIClient) -> None:
    made = manager.post(SUBSCRIPTIONS, sent(), format="json").json()
    answer = manager.post(f"{SUBSCRIPTIONS}{made['id']}/rotate-secret/").json()
    row = Subscription.objects.get()
    assert row.secret == answer["secret"] != made["secret"] == row.previous_secret


def test_a_mail_has_no_secret(manager: APIClient) -> None:
    row = make.subscription(make.watchlist())
    problem(manager.post(f"{SUBSCRIPTIONS}{row.pk}/rotate-secret/"), 409, "not_signed")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"target": "ftp://hooks.example.org"}, "target"),
        ({"target": "https://user:pass@hooks.example.org"}, "target"),
        ({"target": "hooks.example.org"}, "target"),
        ({"target": "https://"}, "target"),
        ({"target": "https://x:99999999/"}, "target"),
        ({"mode": "daily"}, "mode"),
        ({"channel": "apprise", "target": "json://127.0.0.1"}, "channel"),
        ({"channel": "sink"}, "channel"),
    ],
)
def test_what_no_webhook_can_be_is_refused(
    manager: APIClient, fields: dict[str, str], wrong: str
) -> None:
    answer = manager.post(SUBSCRIPTIONS, sent(**fields), format="json")
    assert list(problem(answer, 400, "validation")["errors"]) == [wrong]


def test_apprise_is_for_staff_and_allowed_schemes(
    manager: APIClient, settings: Settings, client_of: Callable[[str], APIClient]
) -> None:
    settings.APPRISE_SCHEMES = ["tgram"]
    wanted = sent(channel="apprise", target="tgram://token/chat")
    found = problem(manager.post(SUBSCRIPTIONS, wanted, format="json"), 400, "validation")
    assert list(found["errors"]) == ["channel"]
    staff = client_of("root")
    get_user_model().objects.filter(username="root").update(is_staff=True)
    assert staff.post(SUBSCRIPTIONS, wanted, format="json").status_code == 201
    wanted["target"] = "json://127.0.0.1"
    found = problem(staff.post(SUBSCRIPTIONS, wanted, format="json"), 400, "validation")
    assert list(found["errors"]) == ["target"]


def test_who_may_not_change_them_sees_no_secret_of_a_target(operator: APIClient) -> None:
    row = make.subscription(make.watchlist(), channel="webhook", target="https://h.example/key-1")
    assert operator.get(f"{SUBSCRIPTIONS}{row.pk}/").json()["target"] == "https://h.example/…"


def test_an_operator_changes_no_secret(operator: APIClient) -> None:
    row = make.subscription(make.watchlist(), channel="webhook", target="https://h.example/key-1")
    answer = operator.post(f"{SUBSCRIPTIONS}{row.pk}/rotate-secret/")
    problem(answer, 403, "permission_denied")
