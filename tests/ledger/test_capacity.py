"""Whether there are workers enough, from what was measured of late."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from ledger import capacity, erlang
from ledger.capacity import Capacity
from ledger.models import Served, Worker
from tests import make

pytestmark = pytest.mark.django_db


def of(queue: str) -> Capacity:
    (found,) = [one for one in capacity.measure() if one.queue == queue]
    return found


def working(count: int, *, queues: str = "detect,recognise,deliver") -> None:
    now = timezone.now()
    for number in range(count):
        Worker.objects.create(
            name=f"{queues} {number}", engine="opencv", started_at=now, seen_at=now, queues=queues
        )


def busy(queue: str, seconds: float) -> None:
    minute = timezone.now().replace(second=0, microsecond=0)
    Served.objects.create(queue=queue, starts_at=minute, seconds=seconds)


def test_rates_are_those_of_the_last_minutes(settings: Settings) -> None:
    settings.TARGET_WAIT = 1.0
    now = timezone.now()
    for _ in range(30):
        make.photo(finished_at=now)
    make.photo(created_at=now - timedelta(hours=1), finished_at=now - timedelta(hours=1))
    busy("detect", 600.0)
    working(3)
    found = of("detect")
    assert found.arrivals_per_second == found.done_per_second == 30 / capacity.RATE_SECONDS
    assert (found.service_seconds, found.workers, found.backlog) == (20.0, 3, 0)
    # A load of two erlangs.
    assert found.wait_seconds == pytest.approx(erlang.mean_wait(0.1, 20.0, 3))
    assert found.workers_needed == erlang.servers_for(0.1, 20.0, wait=1.0) == 5
    assert found.empty_seconds == 0


def test_what_has_piled_up_needs_more_until_it_is_done(settings: Settings) -> None:
    settings.TARGET_WAIT = 10.0
    now = timezone.now()
    make.photo(finished_at=now)
    for _ in range(100):
        make.photo(stage="uploaded", created_at=now - timedelta(hours=1))
    busy("detect", 2.0)
    working(1)
    found = of("detect")
    assert (found.backlog, found.service_seconds) == (100, 2.0)
    assert found.empty_seconds == pytest.approx(100 * 2.0 / (1 - 2.0 / capacity.RATE_SECONDS))
    # 200 s of work are to be done within 100 s.
    assert found.workers_needed == 3


def test_workers_count_where_they_take_work() -> None:
    working(2, queues="detect")
    working(1, queues="recognise,deliver")
    assert [one.workers for one in capacity.measure()] == [2, 1, 1]


def test_of_what_was_not_measured_nothing_is_said() -> None:
    make.photo(stage="uploaded")
    found = of("detect")
    assert (found.backlog, found.workers) == (1, 0)
    assert found.service_seconds is found.wait_seconds is found.workers_needed is None


def test_who_cannot_keep_up_never_gets_done() -> None:
    make.photo(finished_at=timezone.now())
    make.photo(stage="uploaded")
    busy("detect", 1000.0)
    working(1)
    found = of("detect")
    assert found.wait_seconds is found.empty_seconds is None
    assert found.workers_needed is not None
    assert found.workers_needed > 1


def test_old_measures_are_forgotten() -> None:
    busy("detect", 1.0)
    Served.objects.update(starts_at=timezone.now() - timedelta(days=8))
    busy("detect", 1.0)
    assert capacity.forget_the_old() == 1
