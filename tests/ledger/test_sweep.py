"""What no message will wake, the sweep wakes; what is in order, it leaves alone."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ledger import queues
from ledger.sweep import WORKER_DIED, sweep
from recognition import tasks
from recognition.models import Photo
from tests import make

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
