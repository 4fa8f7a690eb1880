"""One alert, one target, one mail: against a real mail server that also misbehaves."""

import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from alerts import deliveries, sending, watch, ways
from alerts.channels import Notice
from alerts.models import Delivery, Subscription
from alerts.ways import Way
from ledger import leases
from ledger.sweep import sweep
from tests import make
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db

PENDING = "pending"


def pending(target: str = "ops@example.org", *, name: str = "Ada Example") -> Delivery:
    """A delivery as an alert makes it."""
    person = make.person(name)
    make.subscription(make.watchlist(f"List of {target}", people=(person,)), target=target)
    sighting = make.sighting(person=person, face=make.face())
    (delivery,) = watch.raise_alerts(sighting.photo.pk)
    return delivery


def delivered(delivery: Delivery) -> Delivery:
    """The row after one try."""
    deliveries.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def dead_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_an_accepted_mail_is_sent(mailbox: Mailbox) -> None:
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == ("sent", "")
    assert mailbox.recipients == ["ops@example.org"]
    assert delivery.finished_at is not None


def test_the_message_id_names_the_row(mailbox: Mailbox) -> None:
    delivery = delivered(pending())
    assert mailbox.mails[0]["Message-ID"] == f"<{delivery.pk}@localhost>"


def test_a_second_run_sends_nothing(mailbox: Mailbox) -> None:
    delivery = delivered(pending())
    deliveries.deliver(delivery.pk)
    assert len(mailbox.mails) == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_at_once_one_sends(mailbox: Mailbox) -> None:
    delivery = pending()
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        deliveries.deliver(delivery.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mailbox.mails) == 1
    assert Delivery.objects.get().stage == "sent"


def test_a_recipient_refused_for_good_fails_with_the_servers_words(mailbox: Mailbox) -> None:
    mailbox.refusals["gone@example.org"] = "550 No such user here"
    delivery = delivered(pending("gone@example.org"))
    assert (delivery.stage, delivery.error_code) == ("failed", "smtp_550")
    assert "No such user here" in delivery.error_detail
    assert mailbox.mails == []


@pytest.mark.parametrize("refused", ["recipient", "message"])
def test_a_temporary_refusal_is_tried_again_after_a_wait(mailbox: Mailbox, refused: str) -> None:
    if refused == "recipient":
        mailbox.refusals["ops@example.org"] = "451 Try again later"
    else:
        mailbox.answer = "452 No space"
    delivery = delivered(pending())
    assert delivery.stage == PENDING
    assert delivery.error_code in {"smtp_451", "smtp_452"}
    assert delivery.next_try_at > timezone.now()
    assert delivered(delivery).attempts == 1
    mailbox.refusals.clear()
    mailbox.answer = "250 OK"
    with time_machine.travel(timezone.now() + timedelta(seconds=10)):
        assert delivered(delivery).stage == "sent"
    assert len(mailbox.mails) == 1


def test_a_message_refused_after_its_end_fails(mailbox: Mailbox) -> None:
    mailbox.answer = "554 Looks like spam"
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == ("failed", "smtp_554")
    assert (delivery.failed_stage, delivery.lease_token) == (PENDING, None)


@pytest.mark.parametrize("end", ["hang", "drop"])
def test_a_message_without_an_answer_is_of_unknown_end_and_never_sent_again(
    mailbox: Mailbox, end: str
) -> None:
    mailbox.answer = end
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == ("unknown", "no_answer")
    mailbox.answer = "250 OK"
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        sweep()
        assert delivered(delivery).stage == "unknown"
    assert len(mailbox.mails) == 1


def test_a_connection_lost_before_the_message_is_tried_again(mailbox: Mailbox) -> None:
    mailbox.greeting = "drop"
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == (PENDING, "hung_up")


def test_a_server_that_refuses_the_password_is_tried_again(
    mailbox: Mailbox, settings: Settings
) -> None:
    settings.EMAIL_HOST_USER = "facewatch"
    settings.EMAIL_HOST_PASSWORD = "wrong"
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == (PENDING, "smtp_535")


def test_a_server_that_is_down_is_tried_again(
    mailbox: Mailbox, settings: Settings, dead_port: int
) -> None:
    settings.EMAIL_PORT = dead_port
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == (PENDING, "no_server")
    assert delivery.lease_until is None


def test_a_server_that_hangs_at_the_greeting_is_given_up_at_the_time_out(
    mailbox: Mailbox, settings: Settings, silent_port: int
) -> None:
    settings.EMAIL_PORT = silent_port
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == (PENDING, "no_server")


def test_a_server_that_cannot_be_reached_is_left_alone_by_the_others_for_a_while(
    mailbox: Mailbox, settings: Settings, dead_port: int
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, dead_port
    first, second = pending("a@example.org"), pending("b@example.org")
    delivered(first)
    settings.EMAIL_PORT = port
    assert delivered(second).attempts == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert delivered(second).stage == "sent"
        assert delivered(first).stage == "sent"


def test_one_bad_recipient_holds_up_nobody(mailbox: Mailbox) -> None:
    mailbox.refusals["bad@example.org"] = "451 Greylisted"
    delivered(pending("bad@example.org"))
    assert delivered(pending("good@example.org")).stage == "sent"


def test_what_is_no_address_fails_without_asking_the_server(mailbox: Mailbox) -> None:
    delivery = delivered(pending("ops@example.org\nBcc: eve@example.org"))
    assert (delivery.stage, delivery.error_code) == ("failed", "bad_address")
    assert mailbox.conversations == 0


def test_a_deleted_subscription_is_not_told(mailbox: Mailbox) -> None:
    delivery = pending()
    Subscription.objects.all().delete()
    deliveries.deliver(delivery.pk)
    assert mailbox.mails == []


def test_a_subscription_switched_off_is_not_told(mailbox: Mailbox) -> None:
    delivery = pending()
    Subscription.objects.update(is_active=False)
    assert delivered(delivery).stage == "dropped"
    assert mailbox.mails == []


def test_a_deleted_alert_is_not_told(mailbox: Mailbox) -> None:
    delivery = pending()
    delivery.alert.delete()
    deliveries.deliver(delivery.pk)
    assert mailbox.mails == []


def handing_over(delivery: Delivery) -> leases.Lease[Delivery]:
    """The lease of a worker in the midst of handing the message over."""
    lease = leases.claim(Delivery, delivery.pk, stage=PENDING)
    assert lease is not None
    leases.move(lease, stage="sending")
    return lease


def test_what_a_dead_sender_left_becomes_unknown_and_is_not_woken() -> None:
    delivery = pending()
    handing_over(delivery)
    assert sweep().chores["deliveries of unknown end"] == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        report = sweep()
        assert report.chores["deliveries of unknown end"] == 1
        assert report.woken == 0
    delivery.refresh_from_db()
    assert (delivery.stage, delivery.error_code) == ("unknown", "sender_died")


def test_a_sender_that_was_only_slow_still_tells_how_it_ended() -> None:
    delivery = pending()
    lease = handing_over(delivery)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        sweep()
        leases.finish(lease, stage="sent")
    delivery.refresh_from_db()
    assert (delivery.stage, delivery.error_code) == ("sent", "")


def test_a_lost_lease_keeps_a_stalled_worker_from_sending(mailbox: Mailbox) -> None:
    delivery = pending()
    stalled = leases.claim(Delivery, delivery.pk, stage=PENDING)
    assert stalled is not None
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        delivered(delivery)
        notice = Notice(id=delivery.pk, target=delivery.target, alerts=[delivery.alert])
        with leases.held(stalled):
            sending.send(stalled, notice, channel="email")
    assert len(mailbox.mails) == 1
    delivery.refresh_from_db()
    assert delivery.stage == "sent"


def test_an_answer_that_is_none_leaves_the_end_unknown(mailbox: Mailbox) -> None:
    mailbox.answer = "299 Perhaps"
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == ("unknown", "no_answer")
    assert "299 Perhaps" in delivery.error_detail


@pytest.mark.parametrize("stage", ["failed", "unknown", "dropped"])
def test_staff_can_send_again_what_did_not_surely_arrive(mailbox: Mailbox, stage: str) -> None:
    delivery = pending()
    Delivery.objects.update(stage=stage, error_code="smtp_550", failed_stage=PENDING)
    assert deliveries.send_again(delivery)
    assert delivered(delivery).stage == "sent"
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("stage", ["batched", "pending", "sending", "sent"])
def test_what_was_sent_or_will_be_cannot_be_sent_again(stage: str) -> None:
    delivery = pending()
    Delivery.objects.update(stage=stage)
    assert not deliveries.send_again(delivery)
    delivery.refresh_from_db()
    assert delivery.stage == stage


@pytest.fixture
def at_least_once(settings: Settings) -> None:
    settings.MAIL_GUARANTEE = "at_least_once"


@pytest.mark.parametrize("end", ["drop", "hang"])
def test_at_least_once_sends_again_what_had_no_answer_under_the_same_id(
    mailbox: Mailbox, at_least_once: None, end: str
) -> None:
    mailbox.answer = end
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == ("pending", "no_answer")
    mailbox.answer = "250 OK"
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert delivered(delivery).stage == "sent"
    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_at_least_once_sends_again_what_a_dead_sender_left(
    mailbox: Mailbox, at_least_once: None
) -> None:
    delivery = pending()
    handing_over(delivery)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        assert sweep().woken == 1
        assert delivered(delivery).stage == "sent"
    assert len(mailbox.mails) == 1


def test_at_least_once_gives_up_as_well_in_the_end(at_least_once: None) -> None:
    delivery = pending()
    handing_over(delivery)
    Delivery.objects.update(attempts=Delivery.MAX_ATTEMPTS)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        sweep()
        sweep()
    delivery.refresh_from_db()
    assert (delivery.stage, delivery.error_code) == ("failed", "worker_died")


class Broken:
    """A channel with an error in its code, before or after the notice was handed over."""

    def __init__(self, *, after: bool) -> None:
        self._after = after

    def open(self, notice: Notice) -> None:
        if not self._after:
            raise ValueError("a mistake")

    def send(self) -> None:
        raise ValueError("a mistake")

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("after", "stage", "code"),
    [(False, "pending", "server_error"), (True, "unknown", "server_error")],
)
def test_an_unexpected_error_sends_again_only_what_was_not_handed_over(
    monkeypatch: pytest.MonkeyPatch, *, after: bool, stage: str, code: str
) -> None:
    monkeypatch.setitem(ways.WAYS, "email", Way(begin=partial(Broken, after=after)))
    delivery = delivered(pending())
    assert (delivery.stage, delivery.error_code) == (stage, code)
    assert delivery.lease_until is None


def test_a_guarantee_that_there_is_not_is_refused_before_anything_starts(
    settings: Settings,
) -> None:
    settings.MAIL_GUARANTEE = "exactly_once"
    with pytest.raises(SystemCheckError, match="FACEWATCH_MAIL_GUARANTEE cannot be 'exactly_once'"):
        call_command("prepare")
