"""Periodic work fires once per window: through Huey's own schedulers, its queue and its workers."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from huey import signals
from huey.api import Task
from huey.consumer import Scheduler

from alerts import tasks, watch
from alerts.models import Digest
from ledger import queues
from ledger.models import Window
from tests import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]

TEN = datetime(2026, 3, 10, 10, 0, 1, tzinfo=UTC)


class Consumer:
    """A consumer's scheduler, as one of several, and a worker of it."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(queues.huey, threading.Event(), interval=1, periodic=True)

    def ask(self) -> None:
        """Look at the clock and enqueue what is due, as it does every minute and when it starts."""
        self._scheduler.enqueue_periodic_tasks(None)

    @staticmethod
    def work() -> list[str]:
        """Do what is in the queue as a worker does; return what became of each message."""
        ends: list[str] = []

        def note(signal: str, task: Task, *_: object) -> None:
            ends.append(signal)

        queues.huey.signal(signals.SIGNAL_COMPLETE, signals.SIGNAL_EXPIRED, signals.SIGNAL_ERROR)(
            note
        )
        try:
            while task := queues.huey.dequeue():
                if isinstance(task, tasks.send_due_digests.task_class):
                    queues.huey.execute(task)
        finally:
            queues.huey.disconnect_signal(
                note, signals.SIGNAL_COMPLETE, signals.SIGNAL_EXPIRED, signals.SIGNAL_ERROR
            )
        return ends


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that stands just after ten, and is moved by hand."""
    with time_machine.travel(TEN, tick=False) as traveller:
        yield traveller


def owe(recipient: str) -> None:
    """Let a digest to this recipient be due: whoever looks for digests now opens it."""
    with time_machine.travel(TEN - timedelta(minutes=20), tick=False):
        person = make.person(f"Seen for {recipient}")
        make.subscription(
            make.watchlist(f"List of {recipient}", people=(person,)),
            mode="hourly",
            target=recipient,
        )
        watch.raise_alerts(make.sighting(person=person, face=make.face()).photo.pk)


def opened() -> list[str]:
    """The recipients of the digests that were opened."""
    return list(Digest.objects.order_by("recipient").values_list("recipient", flat=True))


def test_three_consumers_in_one_minute_fire_once(clock: time_machine.Traveller) -> None:
    owe("first@example.org")
    for consumer in (Consumer(), Consumer(), Consumer()):
        consumer.ask()
    assert Consumer.work() == ["complete"] * 3
    assert opened() == ["first@example.org"]
    assert Window.objects.count() == 1


def test_a_restart_within_the_minute_does_not_fire_again(clock: time_machine.Traveller) -> None:
    Consumer().ask()
    Consumer.work()
    owe("late@example.org")
    clock.shift(40)
    Consumer().ask()
    assert Consumer.work() == ["complete"]
    assert opened() == []
    clock.shift(60)
    Consumer().ask()
    Consumer.work()
    assert opened() == ["late@example.org"]


def test_a_consumer_that_was_down_for_hours_fires_once(clock: time_machine.Traveller) -> None:
    owe("first@example.org")
    for _ in range(5):
        Consumer().ask()
        clock.shift(60)
    clock.shift(timedelta(hours=5))
    Consumer().ask()
    assert Consumer.work() == ["expired"] * 5 + ["complete"]
    assert (opened(), Window.objects.count()) == (["first@example.org"], 1)


def test_a_message_is_worked_on_for_less_than_its_minute(clock: time_machine.Traveller) -> None:
    Consumer().ask()
    clock.shift(54)
    assert Consumer.work() == ["complete"]
    Consumer().ask()
    clock.shift(56)
    assert Consumer.work() == ["expired"]


def test_a_clock_that_jumps_back_fires_no_minute_twice(clock: time_machine.Traveller) -> None:
    for _ in range(3):
        Consumer().ask()
        Consumer.work()
        clock.shift(60)
    owe("late@example.org")
    clock.shift(-180)
    for minute in range(4):
        assert opened() == []
        assert Window.objects.count() == 3, minute
        Consumer().ask()
        assert Consumer.work() == ["complete"]
        clock.shift(60)
    assert opened() == ["late@example.org"]


def test_a_clock_that_ran_ahead_and_was_set_back_goes_on_at_once(
    clock: time_machine.Traveller,
) -> None:
    clock.shift(timedelta(days=4000))
    Consumer().ask()
    Consumer.work()
    clock.move_to(TEN)
    owe("first@example.org")
    Consumer().ask()
    assert Consumer.work() == ["complete"]
    assert opened() == ["first@example.org"]


def test_a_message_of_a_clock_that_ran_ahead_does_no_harm_later(
    clock: time_machine.Traveller,
) -> None:
    owe("first@example.org")
    clock.shift(timedelta(days=4000))
    Consumer().ask()
    clock.move_to(TEN)
    Consumer().ask()
    assert Consumer.work() == ["complete", "complete"]
    assert opened() == ["first@example.org"]


def test_a_consumer_that_dies_after_it_entered_the_window_leaves_it_to_the_next_minute(
    clock: time_machine.Traveller,
) -> None:
    owe("first@example.org")
    Window.objects.create(job="digests", opens_at=TEN.replace(second=0))
    Consumer().ask()
    Consumer.work()
    assert opened() == []
    clock.shift(60)
    Consumer().ask()
    Consumer.work()
    assert opened() == ["first@example.org"]
