"""What was sent, or could not be, and sending it again."""

import uuid
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
        "kind": "raised",
        "subscription": str(row.subscription_id),
        "channel": "email",
        "target": "ops@example.org",
        "mode": "instant",
        "digest": None,
        "stage": "unknown",
        "error": {"code": "no_answer", "detail": "The server hung up."},
        "attempts": 1,
        "next_try_at": None,
        "message_id": f"<{row.pk}@localhost>",
        "created_at": body["created_at"],
        "finished_at": None,
    }


def test_a_digest_tells_when_it_is_tried_again(operator: APIClient) -> None:
    row = digest(stage="pending")
    body = operator.get(f"{DIGESTS}{row.pk}/").json()
    assert (body["recipient"], body["mode"], body["error"]) == ("ops@example.org", "hourly", None)
    assert body["next_try_at"].startswith(f"{row.next_try_at:%Y-%m-%dT%H:%M}")


def test_a_delivery_of_a_digest_names_the_mail_that_tells_it(operator: APIClient) -> None:
    row = delivery(stage="batched", mode="hourly")
    url = f"{DELIVERIES}{row.pk}/"
    assert operator.get(url).json()["message_id"] is None
    row.digest = digest(stage="pending")
    row.save()
    mail = f"<{row.digest.pk}@localhost>"
    assert operator.get(url).json()["message_id"] == mail
    assert operator.get(f"{DIGESTS}{row.digest.pk}/").json()["message_id"] == mail


def ids(client: APIClient, url: str, **query: Any) -> list[str]:
    return [row["id"] for row in client.get(url, query).json()["results"]]


YESTERDAY = "2026-03-09T00:00:00Z"


def test_deliveries_are_narrowed_down(operator: APIClient) -> None:
    row = delivery(target="a@example.org", digest=digest(), created_at="2026-03-09T12:00:00Z")
    delivery(target="b@example.org", stage="sent", created_at="2026-03-08T12:00:00Z")
    assert len(ids(operator, DELIVERIES)) == 2
    for query in (
        {"stage": "unknown"},
        {"target": "a@example.org"},
        {"alert": str(row.alert_id)},
        {"digest": str(row.digest_id)},
        {"created_after": YESTERDAY},
    ):
        assert ids(operator, DELIVERIES, **query) == [str(row.pk)], query
    problem(operator.get(DELIVERIES, {"stage": "lost"}), 400, "validation")


def test_digests_are_narrowed_down(operator: APIClient) -> None:
    row = digest(recipient="a@example.org", created_at="2026-03-09T12:00:00Z")
    digest(recipient="b@example.org", stage="sent", created_at="2026-03-08T12:00:00Z")
    assert len(ids(operator, DIGESTS)) == 2
    for query in (
        {"stage": "unknown"},
        {"recipient": "a@example.org"},
        {"created_after": YESTERDAY},
    ):
        assert ids(operator, DIGESTS, **query) == [str(row.pk)], query
    problem(operator.get(DIGESTS, {"stage": "lost"}), 400, "validation")


def test_lists_come_in_pages_newest_first(operator: APIClient) -> None:
    rows = [str(delivery(target=f"{name}@example.org").pk) for name in "abc"]
    first = operator.get(DELIVERIES, {"page_size": 2}).json()
    second = operator.get(first["next"]).json()
    assert [row["id"] for row in first["results"] + second["results"]] == rows[::-1]
    assert second["next"] is None


@pytest.mark.parametrize("count", [1, 4])
def test_the_lists_queries_do_not_grow(
    operator: APIClient, django_assert_num_queries: Any, count: int
) -> None:
    for number in range(count):
        summary = digest(recipient=f"{number}@example.org")
        delivery(target=f"{number}@example.org", digest=summary)
    for url in (DELIVERIES, DIGESTS):
        # The token, its user, their own permissions and those of their groups, the rows.
        with django_assert_num_queries(5):
            assert len(operator.get(url).json()["results"]) == count


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
        problem(client.get(f"{url}{uuid.uuid4()}/"), 403, "permission_denied")
    assert operator.get(DELIVERIES).status_code == operator.get(DIGESTS).status_code == 200
    problem(operator.post(f"{DELIVERIES}{row.pk}/send-again/"), 403, "permission_denied")
    problem(operator.post(f"{DIGESTS}{digest().pk}/send-again/"), 403, "permission_denied")
    row.refresh_from_db()
    assert row.stage == "unknown"


def test_nothing_is_there_under_an_unknown_id(manager: APIClient) -> None:
    for url in (DELIVERIES, DIGESTS):
        problem(manager.get(f"{url}{uuid.uuid4()}/"), 404, "not_found")
        problem(manager.post(f"{url}{uuid.uuid4()}/send-again/"), 404, "not_found")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_rows_are_neither_made_nor_changed_nor_deleted(client_of: Any, method: str) -> None:
    root = client_of("root")
    for url in (f"{DELIVERIES}{delivery().pk}/", f"{DIGESTS}{digest().pk}/"):
        problem(getattr(root, method)(url), 405, "method_not_allowed")
