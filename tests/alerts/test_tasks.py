"""The wake-ups: from the signal to the queue, from the clock to the digests."""

from datetime import UTC, datetime

import pytest
import time_machine

from alerts import tasks, watch
from alerts.models import Delivery, Digest, WatchList
from ledger import queues
from ledger.sweep import sweep
from recognition import publishing
from recognition.models import Photo
from tests import make
from tests.mailbox import Mailbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]


def run_queue() -> int:
    """Run every waiting message as a worker does; return how many there were."""
    count = 0
    while task := queues.huey.dequeue():
        queues.huey.execute(task)
        count += 1
    return count


def seen_with(mode: str) -> Photo:
    """A photo of a watched person of whom somebody wants to hear."""
    person = make.person()
    make.subscription(make.watchlist(people=(person,)), mode=mode)
    return make.sighting(person=person, face=make.face()).photo


def test_a_recognised_photo_becomes_a_mail(mailbox: Mailbox) -> None:
    assert publishing.publish(seen_with("instant").pk)
    assert run_queue() == 1
    assert mailbox.recipients == ["ops@example.org"]
    assert Delivery.objects.get().stage == "sent"


def test_a_photo_published_twice_is_mailed_once(mailbox: Mailbox) -> None:
    photo = seen_with("instant")
    publishing.publish(photo.pk)
    publishing.publish(photo.pk)
    run_queue()
    assert len(mailbox.mails) == 1


def test_the_sweep_wakes_what_a_dead_listener_left(mailbox: Mailbox) -> None:
    watch.raise_alerts(seen_with("instant").pk)
    assert run_queue() == 0
    sweep()
    run_queue()
    assert len(mailbox.mails) == 1


def test_digests_are_looked_for_once_a_minute_however_often_the_clock_asks(
    mailbox: Mailbox,
) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 9, 59, 30, tzinfo=UTC), tick=False) as clock:
        watch.raise_alerts(seen_with("hourly").pk)
        tasks.send_due_digests.call_local()
        assert run_queue() == 0
        clock.move_to(datetime(2026, 3, 10, 10, 0, 1, tzinfo=UTC))
        tasks.send_due_digests.call_local()
        tasks.send_due_digests.call_local()
        assert run_queue() == 1
    assert len(mailbox.mails) == 1
    assert Digest.objects.get().stage == "sent"


def test_the_sweep_wakes_a_digest_whose_wake_up_was_lost(mailbox: Mailbox) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 9, 30, tzinfo=UTC), tick=False) as clock:
        watch.raise_alerts(seen_with("daily").pk)
        clock.move_to(datetime(2026, 3, 11, 8, 0, 1, tzinfo=UTC))
        tasks.send_due_digests.call_local()
        queues.huey.flush()
        sweep()
        run_queue()
    assert len(mailbox.mails) == 1


def test_a_list_without_subscribers_wakes_nobody() -> None:
    person = make.person()
    make.watchlist(people=(person,))
    publishing.publish(make.sighting(person=person, face=make.face()).photo.pk)
    assert WatchList.objects.get().alerts.count() == 1
    assert run_queue() == 0
