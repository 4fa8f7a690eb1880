"""What was sent, or could not be, and sending it again."""

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from alerts.models import Delivery, Digest
from ledger import queues
from tests import make
from tests.api.conftest import problem

DELIVERIES, DIGESTS = "/api/v1/deliveries/", "/api/v1/digests/"


def delivery(*, target: str = "ops@example.org", **fields: Any) -> Delivery:
    """A delivery of an alert of its own."""
    ada = make.person()
    lobby = make.watchlist(f"Lobby of {target}", people=(ada,))
    subscription = make.subscription(lobby, target=target)
    defaults = {"channel": "email", "mode": "instant", "stage": "unknown"}
    return Delivery.objects.create(
        alert=make.alert(watchlist=lobby, person=ada),
        subscription=subscription,
        target=target,
        **defaults | fields,
    )


def digest(**fields: Any) -> Digest:
    now = timezone.now()
    defaults = {"recipient": "ops@example.org", "mode": "hourly", "stage": "unknown"}
    return Digest.objects.create(window_start=now, window_end=now, **defaults | fields)


def test_a_delivery_tells_how_it_ended_and_why(operator: APIClient) -> None:
    row = delivery(error_code="no_answer", error_detail="The server hung up.", attempts=1)
    body = operator.get(f"{DELIVERIES}{row.pk}/").json()
    assert body == {
        "id": str(row.pk),
        "alert": str(row.alert_id),
        "subscription": str(row.subscription_id),
        "channel": "email",
        "target": "ops@example.org",
        "mode": "instant",
        "digest": None,
        "stage": "unknown",
        "error": {"code": "no_answer", "detail": "The server hung up."},
        "attempts": 1,
        "next_try_at": None,
        "created_at": body["created_at"],
        "finished_at": None,
    }


def test_a_digest_tells_when_it_is_tried_again(operator: APIClient) -> None:
    row = digest(stage="pending")
    body = operator.get(f"{DIGESTS}{row.pk}/").json()
    assert (body["recipient"], body["mode"], body["error"]) == ("ops@example.org", "hourly", None)
    assert body["next_try_at"].startswith(f"{row.next_try_at:%Y-%m-%dT%H:%M}")


def test_lists_are_narrowed_down_and_asked_for_in_few_queries(
    operator: APIClient, django_assert_num_queries: Any
) -> None:
    wanted = delivery(target="a@example.org")
    delivery(target="b@example.org", stage="sent")
    for query in (
        "stage=unknown",
        "target=a@example.org",
        f"alert={wanted.alert_id}",
    ):
        found = operator.get(f"{DELIVERIES}?{query}").json()["results"]
        assert [row["id"] for row in found] == [str(wanted.pk)], query
    problem(operator.get(f"{DELIVERIES}?stage=lost"), 400, "validation")
    # The token, its user, their own permissions and those of their groups, the rows.
    with django_assert_num_queries(5):
        assert len(operator.get(DELIVERIES).json()["results"]) == 2


def test_digests_are_narrowed_down_by_recipient(operator: APIClient) -> None:
    wanted = digest()
    digest(recipient="other@example.org")
    found = operator.get(f"{DIGESTS}?recipient=ops@example.org").json()["results"]
    assert [row["id"] for row in found] == [str(wanted.pk)]


@pytest.mark.parametrize("stage", ["failed", "unknown", "dropped"])
def test_what_did_not_surely_arrive_is_sent_again(manager: APIClient, stage: str) -> None:
    row = delivery(stage=stage)
    answer = manager.post(f"{DELIVERIES}{row.pk}/send-again/")
    assert (answer.status_code, answer.json()["stage"]) == (202, "pending")
    summary = digest(stage=stage)
    answer = manager.post(f"{DIGESTS}{summary.pk}/send-again/")
    assert (answer.status_code, answer.json()["stage"]) == (202, "pending")


@pytest.mark.django_db(transaction=True)
def test_sending_again_wakes_a_worker(manager: APIClient) -> None:
    manager.post(f"{DELIVERIES}{delivery().pk}/send-again/")
    assert queues.length() == 1


@pytest.mark.parametrize("stage", ["batched", "pending", "sending", "sent"])
def test_what_was_sent_or_will_be_is_not_sent_again(manager: APIClient, stage: str) -> None:
    problem(manager.post(f"{DELIVERIES}{delivery(stage=stage).pk}/send-again/"), 409, "not_ended")
    problem(manager.post(f"{DIGESTS}{digest(stage=stage).pk}/send-again/"), 409, "not_ended")


def test_an_operator_looks_and_a_manager_sends(uploader: APIClient, operator: APIClient) -> None:
    row = delivery()
    for client, url in ((uploader, DELIVERIES), (uploader, DIGESTS)):
        problem(client.get(url), 403, "permission_denied")
    problem(operator.post(f"{DELIVERIES}{row.pk}/send-again/"), 403, "permission_denied")
    problem(operator.post(f"{DIGESTS}{digest().pk}/send-again/"), 403, "permission_denied")
    row.refresh_from_db()
    assert row.stage == "unknown"
