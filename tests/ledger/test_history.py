"""What was done in each minute is stored once, by whichever sweeper comes first, and made up for when none came."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection

from ledger import history
from ledger.exhibits import EXHIBITS
from ledger.models import Minute
from tests import make

NOON = datetime(2030, 5, 5, 12, tzinfo=UTC)
PHOTOS = EXHIBITS["photo"]


def at(minutes: float) -> Any:
    """Travel to so many minutes after noon."""
    return time_machine.travel(NOON + timedelta(minutes=minutes), tick=False)


def stored() -> list[tuple[int, int, int, int | None]]:
    """The minutes of photos: minutes after noon, done, failed, waiting."""
    return [
        ((row.starts_at - NOON) // timedelta(minutes=1), row.done, row.failed, row.waiting)
        for row in Minute.objects.filter(subject="recognition.photo").order_by("starts_at")
    ]


def done(minutes: float, *, stage: str = "done") -> None:
    make.photo(stage=stage, finished_at=NOON + timedelta(minutes=minutes))


@pytest.mark.django_db
def test_a_minute_is_stored_when_it_is_over_and_everything_in_it_is_committed() -> None:
    done(0.1)
    done(0.9)
    done(0.5, stage="failed")
    done(1.0)
    make.photo(stage="uploaded")
    with at(1):
        history.record_minutes()
    assert (0, 2, 1, 1) not in stored()
    with at(1.1):
        history.record_minutes()
    assert (0, 2, 1, 1) in stored()


@pytest.mark.django_db
def test_a_second_sweep_stores_nothing() -> None:
    with at(1.1):
        history.record_minutes()
        before = stored()
        done(0.5)
        assert history.record_minutes() == 0
    assert stored() == before == [(0, 0, 0, 0)]


@pytest.mark.django_db
def test_minutes_without_a_sweeper_are_made_up_for_but_what_waited_is_not_known() -> None:
    with at(1.1):
        history.record_minutes()
    done(2.5)
    done(2.7, stage="failed")
    done(4.5)
    make.photo(stage="uploaded")
    with at(5.1):
        assert history.record_minutes() == 3 * len(history.charted())
    assert stored() == [
        (0, 0, 0, 0),
        (1, 0, 0, None),
        (2, 1, 1, None),
        (3, 0, 0, None),
        (4, 1, 0, 1),
    ]


@pytest.mark.django_db
def test_a_long_downtime_is_made_up_for_over_the_last_hours_alone() -> None:
    with at(1.1):
        history.record_minutes()
    with at(60 * 100 + 0.1):
        history.record_minutes()
    assert len(stored()) == 1 + history.MAKE_UP_HOURS * 60 + 1


@pytest.mark.django_db
def test_old_minutes_are_forgotten() -> None:
    with at(1.1):
        history.record_minutes()
    with at(60 * 24 * (history.KEEP_DAYS + 1)):
        history.record_minutes()
    assert min(stored())[0] > 60 * 24


@pytest.mark.django_db
def test_a_clock_that_ran_ahead_stops_no_minute_from_being_stored() -> None:
    with at(60 * 24 + 0.1):
        history.record_minutes()
    with at(1.1):
        history.record_minutes()
    assert stored()[0] == (0, 0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_sweepers_at_once_store_each_minute_once() -> None:
    with at(1.1):
        history.record_minutes()
    start = threading.Barrier(3)

    def sweep_too() -> None:
        start.wait()
        history.record_minutes()
        connection.close()

    with at(8.1):
        threads = [threading.Thread(target=sweep_too) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [minute for minute, *_ in stored()] == list(range(8))


@pytest.mark.django_db
def test_the_chart_has_a_place_for_each_minute_and_the_table_the_same_numbers(
    django_assert_num_queries: Any,
) -> None:
    for number in (0, 1, 12):
        Minute.objects.create(
            subject=PHOTOS.subject,
            starts_at=NOON + timedelta(minutes=number),
            done=number + 1,
            failed=1,
            waiting=None if number == 1 else 7,
        )
    with at(14.5), django_assert_num_queries(1):
        minutes = history.minutes(PHOTOS, hours=1)
        columns = history.columns(minutes, hours=1)
    assert {len(column) for column in columns.values()} == {60}
    assert columns["done"][-14:] == [1, 2, *[None] * 10, 13, None]
    assert columns["waiting"][-14:-11] == [7, None, None]
    newest, oldest = history.steps(minutes)
    assert (newest.done, newest.failed, newest.waiting) == (13, 1, 7)
    assert (oldest.done, oldest.failed, oldest.waiting, oldest.starts_at) == (3, 2, 7, NOON)
