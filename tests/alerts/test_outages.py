"""A mail server that does not answer keeps neither workers from photos nor one recipient's mails from another."""

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from alerts import deliveries, digests, outages, watch
from alerts.models import Delivery, Digest, Outage, Outgoing
from ledger.sweep import sweep
from tests import make
from tests.disk import fill
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db


class Hung:
    """A mail server that takes connections, counts them, and never says a word."""

    def __init__(self) -> None:
        self.connections = 0
        self._taken: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for one in (self._socket, *self._taken):
            one.close()

    def _take(self) -> None:
        while True:
            try:
                taken, _ = self._socket.accept()
            except OSError:
                return
            self._taken.append(taken)
            self.connections += 1


@pytest.fixture
def hung(settings: Settings, mailbox: Mailbox) -> Iterator[Hung]:
    """The mail server of the settings hangs; `settings.EMAIL_PORT = mailbox.controller.port` makes it well."""
    server = Hung()
    settings.EMAIL_PORT = server.port
    yield server
    server.stop()


def delivery(target: str = "ops@example.org") -> Delivery:
    """A delivery as an alert makes it."""
    watchlist = make.watchlist(f"List {Delivery.objects.count()}", people=(make.person(),))
    make.subscription(watchlist, target=target)
    sighting = make.sighting(person=watchlist.people.get(), face=make.face())
    (made,) = watch.raise_alerts(sighting.photo.pk)
    return made


def digest(recipient: str) -> Digest:
    """A digest that is due, of one alert."""
    watchlist = make.watchlist(f"Digest for {recipient}", people=(make.person(),))
    make.subscription(watchlist, target=recipient, mode="hourly")
    with time_machine.travel(timezone.now() - timedelta(hours=2)):
        photo = make.sighting(person=watchlist.people.get(), face=make.face()).photo
        watch.raise_alerts(photo.pk)
    return next(one for one in digests.open_due_digests(timezone.now()))


def tried(row: Outgoing) -> tuple[str, str, int]:
    """What a row became by one wake-up: stage, error and attempts."""
    if isinstance(row, Digest):
        digests.send_digest(row.pk)
    else:
        deliveries.deliver(row.pk)
    row.refresh_from_db()
    return row.stage, row.error_code, row.attempts


PUT_OFF = ("pending", "left_alone", 0)
A_MINUTE = timedelta(seconds=outages.LEFT_ALONE_SECONDS + 1)


def test_after_one_time_out_nothing_else_is_tried(hung: Hung) -> None:
    first, waiting, batch = delivery(), delivery("b@example.org"), digest("c@example.org")
    assert tried(first) == ("pending", "no_server", 1)
    late = delivery("d@example.org")
    for row in (waiting, batch, late):
        assert tried(row) == PUT_OFF
        assert row.next_try_at > timezone.now() + timedelta(seconds=50)
        assert row.lease_until is None
    assert sweep().woken == 0
    assert hung.connections == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_server_hangs_one_worker_of_many_finds_out_each_minute(hung: Hung) -> None:
    rows = [delivery(f"{name}@example.org") for name in "abcde"]
    tried(rows[0])
    start = threading.Barrier(4)

    def work(row: Delivery) -> None:
        start.wait()
        deliveries.deliver(row.pk)
        connection.close()

    with time_machine.travel(timezone.now() + A_MINUTE):
        workers = [threading.Thread(target=work, args=[row]) for row in rows[1:]]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert hung.connections == 2
    assert Delivery.objects.filter(error_code="no_server").count() == 2
    assert Delivery.objects.filter(error_code="left_alone").count() == 3


def test_when_it_answers_again_all_are_sent_at_once(
    hung: Hung, mailbox: Mailbox, settings: Settings
) -> None:
    first, second, batch = delivery(), delivery("b@example.org"), digest("c@example.org")
    tried(first)
    tried(second)
    settings.EMAIL_PORT = mailbox.controller.port
    with time_machine.travel(timezone.now() + A_MINUTE):
        assert tried(second)[0] == "sent"
        batch.refresh_from_db()
        assert (batch.error_code, batch.next_try_at <= timezone.now()) == ("", True)
        assert tried(batch)[0] == tried(first)[0] == "sent"
    assert not Outage.objects.exists()


@pytest.mark.parametrize("how", ["hang", "drop"])
def test_a_server_without_answers_makes_two_mails_uncertain_and_not_all(
    mailbox: Mailbox, how: str
) -> None:
    mailbox.answer = how
    rows = [delivery(f"{name}@example.org") for name in "abcd"]
    assert [tried(row)[:2] for row in rows] == [("unknown", "no_answer")] * 2 + [PUT_OFF[:2]] * 2
    mailbox.answer = "250 OK"
    with time_machine.travel(timezone.now() + A_MINUTE):
        assert [tried(row)[0] for row in rows[2:]] == ["sent", "sent"]


def test_mails_to_one_recipient_do_not_all_wait_for_a_server_without_answers(
    mailbox: Mailbox,
) -> None:
    mailbox.answer = "hang"
    rows = [delivery() for _ in range(3)]
    assert tried(rows[0])[0] == "unknown"
    assert tried(rows[1]) == tried(rows[2]) == PUT_OFF


def test_a_recipient_for_whom_the_server_hangs_holds_up_nobody_else(mailbox: Mailbox) -> None:
    mailbox.refusals["bad@example.org"] = "hang"
    bad = delivery("bad@example.org")
    now = timezone.now()
    for turn in range(1, 4):
        with time_machine.travel(now + turn * timedelta(hours=1)):
            assert tried(bad) == ("pending", "hung_up", turn)
            assert tried(delivery("good@example.org"))[0] == "sent"
            assert tried(digest(f"good-{turn}@example.org"))[0] == "sent"


def test_two_such_recipients_hold_up_nobody_else_once_others_were_answered(
    mailbox: Mailbox,
) -> None:
    mailbox.refusals |= {"bad@example.org": "hang", "worse@example.org": "hang"}
    assert tried(delivery("bad@example.org"))[1] == "hung_up"
    assert tried(delivery("good@example.org"))[0] == "sent"
    assert tried(delivery("worse@example.org"))[1] == "hung_up"
    assert tried(delivery("fine@example.org"))[0] == "sent"
    assert tried(delivery("worse@example.org")) == PUT_OFF


@pytest.mark.parametrize("answer", ["451 Greylisted", "550 No such user"])
def test_a_refused_recipient_holds_up_nobody_else(mailbox: Mailbox, answer: str) -> None:
    mailbox.refusals["bad@example.org"] = answer
    tried(delivery("bad@example.org"))
    tried(digest("bad@example.org"))
    assert tried(delivery("good@example.org"))[0] == "sent"
    assert tried(digest("good@example.org"))[0] == "sent"
    assert not Outage.objects.exists()


def test_an_answer_ends_an_outage_even_if_it_refuses(
    hung: Hung, mailbox: Mailbox, settings: Settings
) -> None:
    tried(delivery())
    settings.EMAIL_PORT = mailbox.controller.port
    mailbox.refusals["gone@example.org"] = "550 No such user"
    with time_machine.travel(timezone.now() + A_MINUTE):
        assert tried(delivery("gone@example.org"))[0] == "failed"
        assert tried(delivery("good@example.org"))[0] == "sent"


def test_what_is_no_address_says_nothing_of_the_server(hung: Hung) -> None:
    tried(delivery())
    with time_machine.travel(timezone.now() + A_MINUTE):
        assert tried(delivery("nobody"))[1] == "bad_address"
    assert Outage.objects.exists()


def test_a_full_disk_for_mails_puts_them_off_and_leaves_no_half_one(
    small_disk: Callable[..., Path], settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "facewatch.mail.EmlBackend"
    settings.MAIL_DIR = small_disk(megabytes=1)
    filler = fill(settings.MAIL_DIR, leaving=4096)
    row = delivery()
    assert tried(row) == ("pending", "disk_full", 1)
    assert tried(delivery("b@example.org")) == PUT_OFF
    assert list(settings.MAIL_DIR.iterdir()) == [filler]
    filler.unlink()
    with time_machine.travel(timezone.now() + A_MINUTE):
        assert tried(row)[0] == "sent"


def test_an_outage_of_a_clock_that_ran_ahead_ends(
    hung: Hung, mailbox: Mailbox, settings: Settings
) -> None:
    with time_machine.travel(datetime(2099, 1, 1, tzinfo=UTC)):
        tried(delivery())
    settings.EMAIL_PORT = mailbox.controller.port
    assert tried(delivery("b@example.org"))[0] == "sent"


def test_a_target_that_nobody_tried_for_a_day_is_forgotten(mailbox: Mailbox) -> None:
    mailbox.refusals["bad@example.org"] = "hang"
    tried(delivery("bad@example.org"))
    tried(delivery("good@example.org"))
    assert Outage.objects.get().target == "bad@example.org"
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        tried(delivery("good@example.org"))
    assert not Outage.objects.exists()
