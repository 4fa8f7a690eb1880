"""Periodic work fires once per window."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from ledger import windows
from ledger.models import Window

pytestmark = pytest.mark.django_db

NOON = datetime(2030, 5, 5, 12, 0, 30, tzinfo=UTC)


def test_the_first_enters_a_window_and_the_second_does_not() -> None:
    assert windows.enter("digests", seconds=60, now=NOON)
    assert not windows.enter("digests", seconds=60, now=NOON + timedelta(seconds=29))


def test_the_next_window_and_another_job_are_open() -> None:
    assert windows.enter("digests", seconds=60, now=NOON)
    assert windows.enter("digests", seconds=60, now=NOON + timedelta(seconds=30))
    assert windows.enter("other", seconds=60, now=NOON)


def test_a_clock_that_jumps_back_opens_no_window_again() -> None:
    assert windows.enter("digests", seconds=60, now=NOON)
    assert windows.enter("digests", seconds=60, now=NOON + timedelta(minutes=5))
    assert not windows.enter("digests", seconds=60, now=NOON)


def test_a_clock_that_runs_ahead_and_is_set_back_opens_no_window_again() -> None:
    assert windows.enter("digests", seconds=60, now=NOON)
    assert windows.enter("digests", seconds=60, now=NOON + timedelta(days=4000))
    assert not windows.enter("digests", seconds=60, now=NOON)


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_enters() -> None:
    start = threading.Barrier(4)

    def enter(_: int) -> bool:
        start.wait()
        try:
            return windows.enter("digests", seconds=60, now=NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enter, range(4))) == [False, False, False, True]


def test_windows_of_long_ago_are_forgotten() -> None:
    windows.enter("digests", seconds=60, now=NOON)
    first = Window.objects.get()
    Window.objects.filter(pk=first.pk).update(id=first.pk - windows.KEEP_WINDOWS)
    windows.enter("digests", seconds=60, now=NOON + timedelta(minutes=1))
    assert str(Window.objects.get()) == "digests 2030-05-05 12:01"
