"""Periodic work fires once per window."""

from datetime import UTC, datetime, timedelta

import pytest

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


def test_windows_of_long_ago_are_forgotten() -> None:
    windows.enter("digests", seconds=60, now=NOON)
    windows.enter("digests", seconds=60, now=NOON + timedelta(days=windows.KEEP_DAYS + 1))
    assert str(Window.objects.get()) == "digests 2030-05-13 12:00"
