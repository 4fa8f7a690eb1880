"""Whatever work on a row raises is recorded in the row, and gives it back."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ledger import leases
from recognition.models import Photo
from tests import make
from tests.databases import only_sqlite

pytestmark = pytest.mark.django_db

UPLOADED, DETECTED, DONE, FAILED = "uploaded", "detected", "done", "failed"


def waiting() -> Photo:
    return make.photo(stage=UPLOADED)


def claimed(photo: Photo) -> leases.Lease[Photo]:
    lease = leases.claim(Photo, photo.pk, stage=photo.stage)
    assert lease is not None
    return lease


def stumble(error: BaseException) -> None:
    raise error


def given_back(photo: Photo) -> bool:
    photo.refresh_from_db()
    return (photo.stage, photo.lease_token, photo.lease_until) == (UPLOADED, None, None)


@contextmanager
def write_locked() -> Iterator[None]:
    """Somebody else writes to the database meanwhile, and we do not wait for long."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 20")
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()
    # The next use opens a connection with the usual patience.
    connection.close()


@pytest.mark.parametrize(
    ("error", "code", "attempts", "wait"),
    [
        (ValueError("odd"), "server_error", 1, leases.FIRST_BACKOFF),
        (OSError(errno.EIO, "broken"), "server_error", 1, leases.FIRST_BACKOFF),
        (MemoryError(), "out_of_memory", 1, leases.FIRST_BACKOFF),
        (OSError(errno.ENOSPC, "full"), "disk_full", 0, leases.PUT_OFF_SECONDS),
        (OSError(errno.EDQUOT, "full"), "disk_full", 0, leases.PUT_OFF_SECONDS),
    ],
    ids=["mistake", "broken disk", "no memory", "full disk", "full quota"],
)
def test_work_that_raises_gives_the_row_back_to_be_tried_again(
    error: Exception, code: str, attempts: int, wait: float
) -> None:
    photo = waiting()
    with time_machine.travel(timezone.now(), tick=False):
        with leases.held(claimed(photo)):
            stumble(error)
        waits = (Photo.objects.get().next_try_at - timezone.now()).total_seconds()
    assert given_back(photo)
    assert (photo.error_code, photo.attempts) == (code, attempts)
    assert waits == pytest.approx(wait, rel=leases.JITTER)


def test_what_a_mistake_says_goes_to_the_log_and_not_to_the_owner(
    caplog: pytest.LogCaptureFixture,
) -> None:
    photo = waiting()
    with leases.held(claimed(photo)):
        stumble(ValueError("/secret/path"))
    photo.refresh_from_db()
    assert photo.error_detail == "The server failed (ValueError); its log says more."
    assert "/secret/path" in caplog.text


def test_work_that_raises_each_time_makes_the_row_failed_in_the_end() -> None:
    photo = waiting()
    now = timezone.now()
    for _ in range(Photo.MAX_ATTEMPTS):
        with time_machine.travel(now, tick=False), leases.held(claimed(photo)):
            stumble(ValueError())
        now += timedelta(seconds=leases.LONGEST_BACKOFF * (1 + leases.JITTER))
    photo.refresh_from_db()
    assert (photo.stage, photo.failed_stage, photo.error_code) == (FAILED, UPLOADED, "server_error")


def test_what_is_unfit_fails_at_once_with_its_reason() -> None:
    photo = waiting()
    with leases.held(claimed(photo)):
        stumble(leases.Unfit("No face was found.", code="no_face"))
    photo.refresh_from_db()
    assert (photo.stage, photo.failed_stage, photo.error_code, photo.error_detail) == (
        FAILED,
        UPLOADED,
        "no_face",
        "No face was found.",
    )


def test_work_that_raises_after_it_was_finished_changes_nothing() -> None:
    photo = waiting()
    lease = claimed(photo)
    with leases.held(lease):
        leases.finish(lease, stage=DONE)
        stumble(ValueError())
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.lease_token) == (DONE, "", None)


def test_work_that_raises_after_it_moved_the_row_leaves_it_to_the_lease() -> None:
    photo = waiting()
    lease = claimed(photo)
    with leases.held(lease):
        leases.move(lease, stage=DETECTED)
        stumble(ValueError())
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.lease_token) == (DETECTED, "", lease.token)


def test_work_on_a_row_that_was_lost_ends_without_a_trace() -> None:
    photo = waiting()
    stalled = claimed(photo)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        claimed(photo)
        before = Photo.objects.filter(pk=photo.pk).values().get()
        with leases.held(stalled):
            leases.finish(stalled, stage=DONE)
        with leases.held(stalled):
            stumble(ValueError())
    assert Photo.objects.filter(pk=photo.pk).values().get() == before


def test_work_on_a_row_that_was_deleted_ends_without_a_trace() -> None:
    lease = claimed(waiting())
    Photo.objects.all().delete()
    with leases.held(lease):
        stumble(ValueError())
    assert not Photo.objects.exists()


def test_a_worker_that_is_told_to_end_keeps_its_lease() -> None:
    photo = waiting()
    lease = claimed(photo)
    with pytest.raises(SystemExit), leases.held(lease):
        stumble(SystemExit())
    photo.refresh_from_db()
    assert photo.lease_token == lease.token


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_row_that_cannot_be_given_back_is_free_when_its_lease_runs_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    photo = waiting()
    lease = claimed(photo)
    with write_locked(), leases.held(lease):
        stumble(ValueError())
    assert f"Photo {photo.pk} could not be given back: database is locked" in caplog.text
    photo.refresh_from_db()
    assert photo.lease_token == lease.token
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        assert claimed(photo).row.attempts == 2
