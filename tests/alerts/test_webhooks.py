"""Webhooks: signed, thin, and tried for days."""

import gzip
import json
import socket
import time
import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from alerts import watch, webhooks
from alerts.channels import webhook
from alerts.models import Delivery, Outage, Subscription
from ledger import leases
from ledger.sweep import sweep
from recognition.models import Person
from tests import make
from tests.alerts.delivering import raised, subscribed, tried
from tests.mailbox import Mailbox
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db


def raise_all(ada: Person) -> None:
    """Raise an alert, whoever hears of it."""
    watch.raise_alerts(make.sighting(person=ada, face=make.face()).photo_id)


def test_a_message_is_thin_and_signed_as_the_standard_says(ada: Person, receiver: Receiver) -> None:
    subscription = subscribed(ada, receiver.url)
    delivery = tried(raised(ada))
    assert delivery.stage == "sent"
    ((headers, content),) = receiver.got
    body = Verifier(subscription.secret).verify(content, headers)
    assert headers["webhook-id"] == f"msg_{delivery.pk}"
    assert body == {
        "type": "alert.raised",
        "timestamp": body["timestamp"],
        "data": {
            "id": str(delivery.alert_id),
            "url": f"https://faces.example.org/api/v1/alerts/{delivery.alert_id}/",
            "historic": False,
            "event": 1,
        },
    }
    assert b"Ada" not in content


def test_another_secret_verifies_nothing(ada: Person, receiver: Receiver) -> None:
    subscribed(ada, receiver.url)
    tried(raised(ada))
    ((headers, content),) = receiver.got
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.new_secret()).verify(content, headers)


def test_after_a_change_both_secrets_verify_for_a_day(ada: Person, receiver: Receiver) -> None:
    subscription = subscribed(ada, receiver.url)
    old, new = subscription.secret, webhooks.rotate(subscription)
    tried(raised(ada))
    headers, content = receiver.got[0]
    for secret in (old, new):
        assert json.loads(content) == Verifier(secret).verify(content, headers)
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        tried(raised(ada))
        headers, content = receiver.got[1]
        Verifier(new).verify(content, headers)
        with pytest.raises(WebhookVerificationError):
            Verifier(old).verify(content, headers)


@pytest.mark.parametrize("status", [500, 503, 404, 400])
def test_an_answer_that_is_no_success_is_tried_again(
    ada: Person, receiver: Receiver, status: int
) -> None:
    receiver.status, receiver.body = status, b"sorry"
    subscribed(ada, receiver.url)
    delivery = tried(raised(ada))
    assert (delivery.stage, delivery.error_code) == ("pending", f"http_{status}")
    assert delivery.error_detail == f"The server answered {status}: sorry"


def test_a_redirection_is_not_followed(ada: Person, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 302, {"Location": f"http://127.0.0.1:{receiver.port}/in"}
    subscribed(ada, receiver.url)
    delivery = tried(raised(ada))
    assert (delivery.stage, delivery.error_code) == ("pending", "http_302")
    assert len(receiver.got) == 1


def test_the_rest_of_an_answer_is_neither_unpacked_nor_kept(
    ada: Person, receiver: Receiver
) -> None:
    receiver.status, receiver.body = 302, gzip.compress(bytes(30_000_000))
    receiver.headers = {"Location": "http://[", "Content-Encoding": "gzip"}
    subscribed(ada, receiver.url)
    tracemalloc.start()
    delivery = tried(raised(ada))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (delivery.stage, delivery.error_code) == ("pending", "http_302")
    assert peak < 10_000_000
    assert receiver.got[0][0]["accept-encoding"] == "identity"


def test_410_counts_also_if_the_rest_of_the_answer_never_comes(
    ada: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LONGEST", 0.3)
    receiver.status, receiver.mode = 410, "stall"
    subscription = subscribed(ada, receiver.url)
    assert tried(raised(ada)).stage == "failed"
    subscription.refresh_from_db()
    assert not subscription.is_active


def test_a_slow_resolver_does_not_keep_a_worker_for_longer(
    ada: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "LONGEST", 0.2)
    look_up = socket.getaddrinfo

    def slowly(*args: Any, **kwargs: Any) -> Any:
        time.sleep(0.3)
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    receiver.mode = "drip"
    subscribed(ada, receiver.url)
    begun = time.monotonic()
    delivery = tried(raised(ada))
    assert (delivery.stage, delivery.error_code) == ("pending", "no_answer")
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [("900", 900, 900 * 1.1), ("", 60, 66), ("999999", 3600, 3960), ("soon", 60, 66)],
)
def test_who_asks_for_patience_gets_it(
    ada: Person, receiver: Receiver, asked: str, least: float, most: float
) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": asked} if asked else {}
    subscribed(ada, receiver.url)
    first, second = raised(ada), raised(ada)
    now = timezone.now()
    tried(first)
    second.refresh_from_db()
    assert least - 1 <= (second.next_try_at - now).total_seconds() <= most
    if asked == "900":
        first.refresh_from_db()
        assert least - 1 <= (first.next_try_at - now).total_seconds() <= most


def test_all_urls_of_a_host_that_is_dead_wait_together_and_ever_longer(
    ada: Person, settings: Settings
) -> None:
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for number in range(3):
        subscribed(ada, f"{dead}/{number}", name=f"List {number}")
    watch.raise_alerts(make.sighting(person=ada, face=make.face()).photo_id)
    first, *others = Delivery.objects.order_by("subscription__created_at")
    waits = []
    now = timezone.now()
    for _ in range(7):
        with time_machine.travel(now, tick=False):
            tried(first)
            for other in others:
                other.refresh_from_db()
                assert (other.error_code, other.attempts) == ("left_alone", 0)
            waits.append((others[0].next_try_at - now).total_seconds())
            now += timedelta(days=1)
    assert waits[:6] == [60, 120, 240, 480, 960, 1800]


def test_who_took_nothing_for_days_is_ended_and_who_took_something_is_not(
    ada: Person, receiver: Receiver
) -> None:
    subscription = subscribed(ada, receiver.url)
    kept, lost = raised(ada), raised(ada)
    for delivery, works_in_between in ((kept, True), (lost, False)):
        now = delivery.created_at
        for attempt in range(len(webhook.WAITS) + 1):
            receiver.status = 500
            Outage.objects.all().delete()
            with time_machine.travel(now):
                assert tried(delivery).attempts == attempt + 1
                if works_in_between and not attempt:
                    receiver.status = 204
                    assert tried(raised(ada)).stage == "sent"
            now += timedelta(days=2)
        assert delivery.stage == "failed"
        subscription.refresh_from_db()
        assert subscription.is_active == works_in_between
        Delivery.objects.filter(stage="sent").delete()
    assert subscription.ended_because == "The target took nothing for days."


def test_it_is_tried_for_days_with_the_same_id_and_then_given_up(
    ada: Person, receiver: Receiver
) -> None:
    receiver.status = 500
    subscribed(ada, receiver.url)
    delivery = raised(ada)
    begun = now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        while tried(delivery).stage == "pending":
            now = delivery.next_try_at
            clock.move_to(now - timedelta(seconds=1))
            tried(delivery)
            clock.move_to(now)
    assert delivery.stage == "failed"
    assert len(receiver.got) == len(webhook.WAITS) + 1
    assert timedelta(days=3) < now - begun < timedelta(days=5)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_410_ends_the_subscription(ada: Person, receiver: Receiver) -> None:
    receiver.status = 410
    subscribed(ada, receiver.url)
    delivery = tried(raised(ada))
    assert (delivery.stage, delivery.error_code) == ("failed", "http_410")
    ended = Subscription.objects.get()
    assert (ended.is_active, "410" in ended.ended_because) == (False, True)


@pytest.mark.parametrize("mode", ["hang", "drip"])
def test_a_receiver_that_is_slow_is_hung_up_on(
    ada: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(webhook, "LONGEST", 0.3)
    receiver.mode = mode
    subscribed(ada, receiver.url)
    begun = timezone.now()
    delivery = tried(raised(ada))
    assert (delivery.stage, delivery.error_code) == ("pending", "no_answer")
    assert timezone.now() - begun < timedelta(seconds=4)


def test_two_that_are_dead_hold_up_no_other_webhook_and_no_mail(
    ada: Person, receiver: Receiver, mailbox: Mailbox
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = [f"http://127.0.0.1:{taken.getsockname()[1]}/{number}" for number in range(2)]
    for number, url in enumerate([*dead, receiver.url]):
        subscribed(ada, url, name=f"List {number}")
    make.subscription(make.watchlist("Mail", people=(ada,)))
    watch.raise_alerts(make.sighting(person=ada, face=make.face()).photo_id)
    rows = Delivery.objects.order_by("subscription__created_at")
    stages = [tried(delivery).stage for delivery in rows]
    assert stages == ["pending", "pending", "sent", "sent"]


def test_a_message_whose_sender_died_is_sent_again_with_the_same_id(
    ada: Person, receiver: Receiver
) -> None:
    subscribed(ada, receiver.url)
    delivery = raised(ada)
    lease = leases.claim(Delivery, delivery.pk, stage="pending")
    assert lease is not None
    leases.move(lease, stage="sending")
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        sweep()
        assert tried(delivery).stage == "sent"
    assert receiver.got[0][0]["webhook-id"] == f"msg_{delivery.pk}"


def test_a_clock_that_was_set_back_holds_up_no_mail_and_a_webhook_for_a_wait_at_the_most(
    ada: Person,
) -> None:
    now = timezone.now()
    subscribed(ada, "https://hooks.example.org/")
    make.subscription(Subscription.objects.get().watchlist)
    raise_all(ada)
    ahead = {"next_try_at": now + timedelta(hours=10), "attempts": 3}
    Delivery.objects.update(**ahead)

    def due() -> set[str]:
        rows = Delivery.objects.filter(leases.due(now, Delivery))
        return set(rows.values_list("channel", flat=True))

    assert due() == {"email"}
    Delivery.objects.update(attempts=0)
    assert due() == {"email", "webhook"}
    Delivery.objects.update(next_try_at=now + timedelta(hours=30), attempts=3)
    assert due() == {"email", "webhook"}
