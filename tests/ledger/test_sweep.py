"""What no message will wake, the sweep wakes; what is in order, it leaves alone."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ledger import kinds, leases, queues
from ledger.sweep import WORKER_DIED, sweep
from recognition import tasks
from recognition.models import Photo, Search
from tests import make
from tests.databases import only_sqlite

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_queue")]


def messages() -> list[tuple[str, Any, int]]:
    """The queued messages in the order in which they would be taken: task, row, priority."""
    taken = []
    while task := queues.huey.dequeue():
        taken.append((task.name, task.args[0], task.priority))
    return taken


def test_a_forgotten_row_is_woken_with_the_task_of_its_stage() -> None:
    uploaded = make.photo(stage="uploaded")
    detected = make.photo(stage="detected")
    assert sweep().woken == 2
    assert {(name, pk) for name, pk, _ in messages()} == {
        ("detect_faces", str(uploaded.pk)),
        ("recognise_faces", str(detected.pk)),
    }


def test_second_sweep_wakes_nothing() -> None:
    make.photo(stage="uploaded")
    assert sweep().woken == 1
    assert sweep().woken == 0
    assert queues.length() == 1


def test_only_as_many_as_have_no_message_are_woken_the_oldest_first() -> None:
    now = timezone.now()
    photos = [
        make.photo(stage="uploaded", created_at=now - timedelta(minutes=age)) for age in (1, 3, 2)
    ]
    queues.wake(tasks.detect_faces, photos[0].pk)
    assert sweep().woken == 2
    assert [pk for _, pk, _ in messages()] == [
        str(photos[0].pk),
        str(photos[1].pk),
        str(photos[2].pk),
    ]


def test_a_bulk_photo_is_woken_behind_the_others() -> None:
    bulk = make.photo(
        stage="uploaded", priority=-30, created_at=timezone.now() - timedelta(hours=1)
    )
    urgent = make.photo(stage="uploaded")
    sweep()
    assert [pk for _, pk, _ in messages()] == [str(urgent.pk), str(bulk.pk)]


@pytest.mark.parametrize(
    "fields",
    [
        {"stage": "done"},
        {"stage": "failed"},
        {"stage": "uploaded", "next_try_at": timedelta(minutes=9)},
        {"stage": "uploaded", "lease_until": timedelta(minutes=2)},
    ],
    ids=["done", "failed", "waits for its next try", "in work"],
)
def test_a_row_in_order_is_left_alone(fields: dict[str, Any]) -> None:
    now = timezone.now()
    ahead = {name: now + value for name, value in fields.items() if isinstance(value, timedelta)}
    make.photo(published_at=now, **fields | ahead)
    assert sweep().woken == 0


def test_a_row_whose_worker_died_is_woken_again() -> None:
    make.photo(stage="uploaded", attempts=1, lease_until=timezone.now() - timedelta(seconds=1))
    assert sweep().woken == 1


def test_a_row_that_kills_its_workers_is_given_up_and_blocks_nobody() -> None:
    poison = make.photo(
        stage="detected",
        attempts=Photo.MAX_ATTEMPTS,
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    report = sweep()
    poison.refresh_from_db()
    assert (report.buried, report.woken) == (1, 0)
    assert (poison.stage, poison.failed_stage, poison.error_code) == (
        "failed",
        "detected",
        WORKER_DIED,
    )
    assert poison.finished_at is not None
    assert str(report).startswith("0 woken, 1 given up")


def test_a_row_at_its_last_attempt_is_not_given_up_while_its_lease_lasts() -> None:
    make.photo(
        stage="detected",
        attempts=Photo.MAX_ATTEMPTS,
        lease_until=timezone.now() + timedelta(seconds=60),
    )
    assert sweep().buried == 0


def test_the_most_urgent_are_woken_first_and_of_these_the_oldest() -> None:
    now = timezone.now()

    def old(minutes: int, **fields: Any) -> str:
        return str(make.photo(created_at=now - timedelta(minutes=minutes), **fields).pk)

    bulk = [old(90, stage="uploaded", priority=-30), old(80, stage="uploaded", priority=-30)]
    uploaded = [old(minutes, stage="uploaded") for minutes in (60, 50, 40)]
    detected = [old(minutes, stage="detected") for minutes in (30, 20)]
    asked = [str(Search.objects.create(stage="asked", image="searches/x").pk)]
    orders = {tasks.detect_faces: uploaded + bulk, tasks.recognise_faces: asked + detected}
    # One by one, as if each time the queue were full but for one: who is woken first is not the broker's choice.
    for task, order in orders.items():
        for count in range(1, len(order) + 1):
            queues.huey.flush()
            for other, rows in orders.items():
                for _ in range(len(rows) - (count if other is task else 0)):
                    queues.wake(other, "00000000-0000-0000-0000-000000000000", priority=-100)
            assert sweep().woken == count
            assert [pk for _, pk, _ in messages()][:count] == order[:count]


def test_a_wake_up_has_the_priority_of_its_row() -> None:
    make.photo(stage="uploaded", priority=-30)
    make.photo(stage="uploaded", priority=-100)
    make.photo(stage="detected")
    sweep()
    assert [priority for _, _, priority in messages()] == [
        queues.RECOGNISE,
        queues.DETECT - 30,
        0,
    ]


def test_sweeps_at_once_give_up_a_row_once_and_wake_each_row_once_each_at_the_most() -> None:
    for _ in range(20):
        make.photo(stage="uploaded")
    make.photo(
        stage="uploaded",
        attempts=Photo.MAX_ATTEMPTS,
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    start = threading.Barrier(3)
    reports = []

    def sweep_too() -> None:
        start.wait()
        reports.append(sweep())
        connection.close()

    threads = [threading.Thread(target=sweep_too) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.buried for report in reports) == 1
    assert 20 <= queues.length() == sum(report.woken for report in reports) <= 60
    assert sweep().woken == 0


def test_what_a_broken_clock_left_behind_is_woken_and_given_up() -> None:
    future = timezone.now() + timedelta(days=365)
    make.photo(stage="uploaded", attempts=1, lease_until=future)
    make.photo(stage="uploaded", next_try_at=future)
    make.photo(stage="uploaded", attempts=Photo.MAX_ATTEMPTS, lease_until=future)
    report = sweep()
    assert (report.woken, report.buried) == (2, 1)


def test_a_row_given_up_can_be_tried_again_from_where_it_was() -> None:
    photo = make.photo(
        stage="detected",
        attempts=Photo.MAX_ATTEMPTS,
        lease_until=timezone.now() - timedelta(seconds=1),
    )
    sweep()
    assert leases.retry(Photo, photo.pk)
    assert sweep().woken == 1
    assert leases.claim(Photo, photo.pk, stage="detected") is not None


def test_a_broker_that_takes_nothing_is_not_said_to_have_been_told() -> None:
    for _ in range(3):
        make.photo(stage="uploaded")
    queues.breaker.trip()
    assert sweep().woken == 0
    queues.breaker.reset()
    assert sweep().woken == 3


@pytest.fixture
def chore() -> Iterator[Callable[[Callable[[], int]], None]]:
    """Registers one more thing to be done by each sweep, before the others."""
    chores = dict(kinds.CHORES)

    def add(do: Callable[[], int]) -> None:
        kinds.CHORES.clear()
        kinds.CHORES.update({"stones turned": do} | chores)

    yield add
    kinds.CHORES.clear()
    kinds.CHORES.update(chores)


def test_a_chore_s_work_is_counted_in_the_report(chore: Any) -> None:
    chore(lambda: 7)
    assert str(sweep()) == "0 woken, 0 given up, 7 stones turned"


def test_a_chore_that_fails_keeps_nothing_from_being_woken_or_done(
    chore: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> int:
        raise PermissionError("the folder is somebody else's")

    chore(fail)
    make.photo(stage="uploaded")
    Search.objects.create(
        stage="asked", image="searches/gone", created_at=timezone.now() - timedelta(hours=1)
    )
    report = sweep()
    assert (report.woken, report.chores["stones turned"]) == (1, 0)
    assert report.chores["searches forgotten"] == 1
    assert "stones turned" in caplog.text
    assert "the folder is somebody else's" in caplog.text


@only_sqlite
def test_what_is_ready_is_found_without_reading_what_is_finished() -> None:
    # The searches are few: they go when they are answered.
    plans = {kind: kind.ready().explain() for kind in kinds.KINDS if kind.model is not Search}
    assert len(plans) >= 4
    # SQLite writes "SCAN" where it reads a whole table.
    assert not [kind for kind, plan in plans.items() if "SCAN" in plan or "INDEX" not in plan]
