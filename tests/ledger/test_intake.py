"""When more is taken in, when it is refused, and for how long."""

from pathlib import Path
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from ledger import backlog, intake
from recognition.models import Photo
from tests import make
from tests.databases import only_sqlite

pytestmark = pytest.mark.django_db


def check(gate: intake.Gate, *, limit: int, reserve: int = 0, owner: Any = None) -> None:
    intake.check_rows(Photo, gate=gate, limit=limit, reserve=reserve, mine=Q(owner=owner))


def admits(gate: intake.Gate, **options: Any) -> bool:
    try:
        check(gate, **options)
    except intake.BacklogFull:
        return False
    return True


def finish(count: int) -> None:
    done = backlog.unfinished(Photo).values_list("pk", flat=True)[:count]
    Photo.objects.filter(pk__in=list(done)).update(stage="done", finished_at=timezone.now())


def test_exactly_as_many_as_the_limit_are_taken_in() -> None:
    gate = intake.Gate()
    taken = 0
    while admits(gate, limit=7):
        make.photo(stage="uploaded" if taken % 2 else "detected")
        taken += 1
    assert taken == 7


def test_what_is_done_or_failed_does_not_count() -> None:
    for stage in ("done", "failed", "uploaded"):
        make.photo(stage=stage)
    check(intake.Gate(), limit=2)
    with pytest.raises(intake.BacklogFull, match="1 photos wait already, 1 may"):
        check(intake.Gate(), limit=1)


def test_once_closed_it_opens_again_when_a_tenth_is_done() -> None:
    gate = intake.Gate()
    for _ in range(20):
        make.photo(stage="uploaded")
    assert not admits(gate, limit=20)
    finish(1)
    assert not admits(gate, limit=20)
    assert admits(intake.Gate(), limit=20)
    finish(1)
    assert admits(gate, limit=20)
    make.photo(stage="uploaded")
    assert admits(gate, limit=20)


@pytest.mark.parametrize("limit", range(1, 10))
def test_a_small_limit_opens_again_with_the_next_one_done(limit: int) -> None:
    gate = intake.Gate()
    for _ in range(limit):
        make.photo(stage="uploaded")
    assert not admits(gate, limit=limit)
    finish(1)
    assert admits(gate, limit=limit)


def test_a_limit_of_none_takes_in_none() -> None:
    gate = intake.Gate()
    assert not admits(gate, limit=0)
    assert not admits(gate, limit=0)


def test_nobody_can_lock_the_others_out() -> None:
    gate = intake.Gate()
    greedy, modest = make.user("greedy"), make.user("modest")
    for _ in range(20):
        make.photo(stage="uploaded", owner=greedy)
    assert not admits(gate, limit=20, reserve=2, owner=greedy)
    for _ in range(2):
        check(gate, limit=20, reserve=2, owner=modest)
        make.photo(stage="uploaded", owner=modest)
    assert not admits(gate, limit=20, reserve=2, owner=modest)
    assert not admits(gate, limit=20, reserve=2, owner=make.user("late"))


def test_the_wait_is_the_time_until_it_opens() -> None:
    gate = intake.Gate()
    for _ in range(150):
        make.photo(stage="uploaded")
    finish(30)
    with pytest.raises(intake.BacklogFull) as caught:
        check(gate, limit=100)
    # 120 wait, 90 may when it opens: 30 rows at half a row a second.
    assert 60 <= caught.value.retry_after <= 75


def test_the_wait_is_within_bounds_and_not_the_same_for_all() -> None:
    waits = {intake.wait(200) for _ in range(200)}
    assert min(waits) >= 200
    assert max(waits) <= 250
    assert len(waits) > 10
    assert intake.wait(0) >= intake.SHORTEST_WAIT
    assert intake.wait(10**6) <= intake.LONGEST_WAIT
    for _ in range(2):
        make.photo(stage="uploaded")
    with pytest.raises(intake.BacklogFull) as caught:
        check(intake.Gate(), limit=2)
    # Nothing was finished of late: nobody knows how long it takes.
    assert 240 <= caught.value.retry_after <= intake.LONGEST_WAIT


@only_sqlite
def test_counting_what_waits_reads_an_index_of_nothing_else(django_assert_num_queries: Any) -> None:
    plans = [
        backlog.unfinished(Photo).order_by().values("stage").explain(),
        backlog.unfinished(Photo).filter(owner=1).order_by().values("stage").explain(),
    ]
    assert "COVERING INDEX photo_unfinished " in plans[0]
    assert "COVERING INDEX photo_unfinished_by_owner " in plans[1]


def test_a_disk_that_was_full_counts_as_full_until_a_tenth_more_is_free(
    small_disk: Any,
) -> None:
    gate = intake.Gate()
    folder: Path = small_disk(megabytes=4)
    filler = folder / "filler"
    filler.write_bytes(bytes(2_200_000))
    with pytest.raises(intake.DiskFull, match="disk is full") as caught:
        intake.check_disk(folder, gate=gate, wanted=2_000_000)
    assert intake.SHORTEST_WAIT <= caught.value.retry_after <= intake.LONGEST_WAIT
    filler.write_bytes(bytes(2_100_000))
    intake.check_disk(folder, gate=intake.Gate(), wanted=2_000_000)
    with pytest.raises(intake.DiskFull):
        intake.check_disk(folder, gate=gate, wanted=2_000_000)
    filler.write_bytes(bytes(1_900_000))
    intake.check_disk(folder, gate=gate, wanted=2_000_000)
