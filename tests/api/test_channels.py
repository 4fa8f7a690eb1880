"""Subscriptions of webhooks and of Apprise: their secrets, and who may see and make them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from pytest_django import Settings
from rest_framework.test import APIClient

from alerts.models import Delivery, Digest, Subscription
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


def test_what_is_stored_can_be_switched_off_whatever_it_is(manager: APIClient) -> None:
    row = make.subscription(make.watchlist(), channel="apprise", target="tgram://token/chat")
    answer = manager.patch(f"{SUBSCRIPTIONS}{row.pk}/", {"is_active": False}, format="json")
    assert (answer.status_code, answer.json()["is_active"]) == (200, False)
    answer = manager.patch(f"{SUBSCRIPTIONS}{row.pk}/", {"target": "tgram://x/y"}, format="json")
    problem(answer, 400, "validation")


@pytest.mark.parametrize("who", ["operator", "manager"])
def test_the_passwords_of_an_apprise_url_are_shown_to_staff_alone(
    client_of: Callable[[str], APIClient], who: str
) -> None:
    target = "tgram://123456:secret/chat"
    watchlist, person = make.watchlist(), make.person()
    row = make.subscription(watchlist, channel="apprise", target=target)
    digest = Digest.objects.create(
        channel="apprise",
        recipient=target,
        mode="hourly",
        window_start="2026-01-01T09:00Z",
        window_end="2026-01-01T10:00Z",
    )
    Delivery.objects.create(
        alert=make.alert(watchlist=watchlist, person=person),
        subscription=row,
        channel="apprise",
        target=target,
        mode="hourly",
        digest=digest,
    )
    client = client_of(who)
    for path in (SUBSCRIPTIONS, "/api/v1/deliveries/", "/api/v1/digests/"):
        content = client.get(path).content.decode()
        assert "tgram://…" in content
        assert "secret" not in content.replace("-secret", "")
    assert "secret" not in f"{row} {digest} {Delivery.objects.get()}"
    get_user_model().objects.update(is_staff=True, is_superuser=True)
    assert target in client.get("/api/v1/digests/").content.decode()


def test_an_operator_changes_no_secret(operator: APIClient) -> None:
    row = make.subscription(make.watchlist(), channel="webhook", target="https://h.example/key-1")
    answer = operator.post(f"{SUBSCRIPTIONS}{row.pk}/rotate-secret/")
    problem(answer, 403, "permission_denied")
