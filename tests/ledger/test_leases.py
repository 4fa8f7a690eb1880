"""One worker at most holds a row, and what a stalled one did is dropped."""

import threading
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import connection
from django.utils import timezone

from ledger import leases
from ledger.leases import LeaseLost
from recognition.models import Photo
from tests import make

pytestmark = pytest.mark.django_db

UPLOADED, DETECTED, DONE, FAILED = "uploaded", "detected", "done", "failed"


def waiting(**fields: Any) -> Photo:
    return make.photo(stage=UPLOADED, **fields)


def claimed(photo: Photo) -> leases.Lease[Photo]:
    lease = leases.claim(Photo, photo.pk, stage=photo.stage)
    assert lease is not None
    return lease


def test_a_claim_leases_the_row_and_counts_an_attempt() -> None:
    lease = claimed(waiting())
    assert lease.row.attempts == 1
    assert lease.row.lease_token == lease.token
    assert lease.row.lease_until is not None
    assert lease.row.lease_until > timezone.now() + timedelta(seconds=settings.LEASE_SECONDS - 5)


def test_a_second_claim_is_told_none() -> None:
    photo = waiting()
    claimed(photo)
    assert leases.claim(Photo, photo.pk, stage=UPLOADED) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"stage": DETECTED},
        {"stage": DONE},
        {"attempts": Photo.MAX_ATTEMPTS},
    ],
    ids=["other stage", "final stage", "attempts used up"],
)
def test_a_row_that_does_not_wait_is_not_claimed(fields: dict[str, Any]) -> None:
    photo = make.photo(**{"stage": UPLOADED} | fields)
    assert leases.claim(Photo, photo.pk, stage=UPLOADED) is None


def test_a_row_is_not_claimed_before_its_next_try() -> None:
    photo = waiting(next_try_at=timezone.now() + timedelta(minutes=9))
    assert leases.claim(Photo, photo.pk, stage=UPLOADED) is None


def test_an_expired_lease_can_be_claimed_by_another() -> None:
    photo = waiting()
    first = claimed(photo)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        second = claimed(photo)
    assert second.token != first.token
    assert second.row.attempts == 2


def test_who_lost_the_lease_cannot_finish() -> None:
    photo = waiting()
    stalled = claimed(photo)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        leases.finish(claimed(photo), stage=DETECTED)
        with pytest.raises(LeaseLost):
            leases.finish(stalled, stage=DONE)
        with pytest.raises(LeaseLost):
            leases.fail(stalled, code="x", detail="y", permanent=True)
    photo.refresh_from_db()
    assert photo.stage == DETECTED


def test_finishing_frees_the_row_for_the_next_stage_with_all_attempts() -> None:
    photo = waiting()
    leases.finish(claimed(photo), stage=DETECTED)
    photo.refresh_from_db()
    assert (photo.stage, photo.attempts, photo.lease_token, photo.finished_at) == (
        DETECTED,
        0,
        None,
        None,
    )
    assert claimed(photo).row.attempts == 1


def test_a_final_stage_tells_when_it_was_reached() -> None:
    photo = waiting()
    leases.finish(claimed(photo), stage=DONE)
    photo.refresh_from_db()
    assert photo.finished_at is not None


def test_a_deleted_row_cannot_be_finished() -> None:
    photo = waiting()
    lease = claimed(photo)
    Photo.objects.all().delete()
    with pytest.raises(LeaseLost):
        leases.finish(lease, stage=DONE)


def test_a_temporary_failure_waits_longer_each_time_then_is_final() -> None:
    photo = waiting()
    waits = []
    now = timezone.now()
    for _ in range(Photo.MAX_ATTEMPTS):
        with time_machine.travel(now, tick=False):
            leases.fail(claimed(photo), code="busy", detail="Try later.", permanent=False)
        photo.refresh_from_db()
        waits.append((photo.next_try_at - now).total_seconds())
        now = photo.next_try_at + timedelta(seconds=1)
    assert (photo.stage, photo.failed_stage, photo.error_code) == (FAILED, UPLOADED, "busy")
    assert all(later > sooner * 2 for sooner, later in pairwise(waits[:-1]))


def test_a_permanent_failure_is_final_at_once_and_keeps_its_reason() -> None:
    photo = waiting()
    leases.fail(claimed(photo), code="unreadable_image", detail="Broken.", permanent=True)
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.error_detail) == (
        FAILED,
        "unreadable_image",
        "Broken.",
    )
    assert photo.lease_token is None


def test_a_retry_puts_a_failed_row_back_where_it_failed() -> None:
    photo = make.photo(stage=DETECTED)
    leases.fail(claimed(photo), code="busy", detail="", permanent=True)
    assert leases.retry(Photo, photo.pk) is True
    photo.refresh_from_db()
    assert (photo.stage, photo.attempts, photo.error_code, photo.finished_at) == (
        DETECTED,
        0,
        "",
        None,
    )
    assert leases.retry(Photo, photo.pk) is False


def test_backoff_is_bounded() -> None:
    longest = leases.LONGEST_BACKOFF * (1 + leases.JITTER)
    assert all(leases.backoff(attempts).total_seconds() <= longest for attempts in range(1, 30))
    assert leases.backoff(1).total_seconds() >= leases.FIRST_BACKOFF * (1 - leases.JITTER)


@pytest.mark.django_db(transaction=True)
def test_of_many_claims_at_once_one_wins() -> None:
    photo = waiting()
    start = threading.Barrier(8)
    won: list[bool] = []

    def try_it() -> None:
        start.wait()
        won.append(leases.claim(Photo, photo.pk, stage=UPLOADED) is not None)
        connection.close()

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]


def given_back(photo: Photo) -> bool:
    photo.refresh_from_db()
    return (photo.stage, photo.lease_token, photo.lease_until) == (UPLOADED, None, None)


def test_put_off_gives_the_row_back_for_a_while_and_counts_no_attempt() -> None:
    photo = waiting()
    with time_machine.travel(timezone.now(), tick=False):
        leases.put_off(claimed(photo), code="disk_full", detail="No room.")
        assert given_back(photo)
        assert (photo.attempts, photo.error_code, photo.error_detail) == (
            0,
            "disk_full",
            "No room.",
        )
        assert photo.next_try_at == timezone.now() + timedelta(seconds=leases.PUT_OFF_SECONDS)
        assert leases.claim(Photo, photo.pk, stage=UPLOADED) is None


def test_a_row_may_be_put_off_more_often_than_it_may_be_tried() -> None:
    photo = waiting()
    now = timezone.now()
    for _ in range(Photo.MAX_ATTEMPTS + 2):
        with time_machine.travel(now, tick=False):
            leases.put_off(claimed(photo), code="disk_full", detail="No room.")
        now += timedelta(seconds=leases.PUT_OFF_SECONDS)
    assert given_back(photo)


def test_who_lost_the_lease_cannot_put_the_row_off_nor_move_it() -> None:
    photo = waiting()
    stalled = claimed(photo)
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.LEASE_SECONDS + 1)):
        claimed(photo)
        before = Photo.objects.filter(pk=photo.pk).values().get()
        with pytest.raises(LeaseLost):
            leases.put_off(stalled, code="disk_full", detail="")
        with pytest.raises(LeaseLost):
            leases.move(stalled, stage=DETECTED)
    assert Photo.objects.filter(pk=photo.pk).values().get() == before


def test_moving_holds_the_lease_for_its_whole_length_again() -> None:
    photo = waiting()
    lease = claimed(photo)
    later = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS - 1)
    with time_machine.travel(later, tick=False):
        leases.move(lease, stage=DETECTED)
    photo.refresh_from_db()
    assert (photo.stage, photo.lease_token) == (DETECTED, lease.token)
    assert photo.lease_until == later + timedelta(seconds=settings.LEASE_SECONDS)


#: How far clocks are set, in seconds: over summer time, to another day, to the start of the epoch of a machine without
#: a battery.
JUMPS = [3600, 86_400, 20 * 365 * 86_400]


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_lease_taken_before_the_clock_was_set_back_does_not_last_until_then(seconds: int) -> None:
    photo = waiting()
    claimed(photo)
    with time_machine.travel(timezone.now() - timedelta(seconds=seconds)):
        assert Photo.objects.filter(leases.expired(timezone.now())).exists()
        assert claimed(photo).row.attempts == 2


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_wait_begun_before_the_clock_was_set_back_does_not_last_until_then(seconds: int) -> None:
    photo = waiting()
    leases.fail(claimed(photo), code="busy", detail="", permanent=False)
    assert not Photo.objects.filter(leases.due(timezone.now())).exists()
    with time_machine.travel(timezone.now() - timedelta(seconds=seconds)):
        assert claimed(photo).row.attempts == 2


@pytest.mark.parametrize("seconds", JUMPS)
def test_a_clock_set_ahead_and_back_leaves_no_row_waiting(seconds: int) -> None:
    leased, put_off = waiting(), waiting()
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        claimed(leased)
        leases.put_off(claimed(put_off), code="disk_full", detail="")
    assert claimed(leased).row.attempts == 2
    assert claimed(put_off).row.attempts == 1


def test_a_clock_that_differs_a_little_takes_nobody_s_lease() -> None:
    photo = waiting()
    claimed(photo)
    for seconds in (leases.CLOCK_SKEW - 1, -leases.CLOCK_SKEW + 1):
        with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
            assert leases.claim(Photo, photo.pk, stage=UPLOADED) is None


def test_the_longest_wait_is_waited_out() -> None:
    longest = timedelta(seconds=leases.LONGEST_BACKOFF * (1 + leases.JITTER))
    now = timezone.now()
    waiting(next_try_at=now + longest)
    assert not Photo.objects.filter(leases.due(now)).exists()
    assert Photo.objects.filter(leases.due(now + longest)).exists()


def test_free_is_what_nobody_holds() -> None:
    now = timezone.now()
    second = timedelta(seconds=1)
    never, past = waiting(), waiting(lease_until=now - second)
    waiting(lease_until=now + second)
    waiting(lease_until=now + timedelta(seconds=settings.LEASE_SECONDS))
    assert set(Photo.objects.filter(leases.free(now))) == {never, past}
    assert set(Photo.objects.filter(leases.expired(now))) == {past}
    assert Photo.objects.filter(~leases.free(now)).count() == 2
