"""Whether there are workers enough: what comes in, how long it takes, and how many would hold the wanted wait."""

import math
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.core.cache import cache
from django.db.models import Sum
from django.utils import timezone

from ledger import erlang, kinds, queues, workers
from ledger.models import Served

#: Seconds over which rates are measured.
RATE_SECONDS = 300
#: Where it is kept for how many seconds what was measured: pages and monitors ask more often than it changes.
KEPT_AS, KEPT_SECONDS = "ledger.capacity", 10
#: Days for which it is kept how busy workers were.
KEEP_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """One queue, as if its workers took nothing else. Of what was not measured of late nothing is said (None)."""

    queue: str
    #: Rows that wait or are worked on.
    backlog: int
    #: Rows that came in, and that were done, per second; and the seconds of a worker that one takes.
    arrivals_per_second: float
    done_per_second: float
    service_seconds: float | None
    workers: int
    #: Mean seconds that one waits for a worker when nothing has piled up.
    wait_seconds: float | None
    #: Until what has piled up is done.
    empty_seconds: float | None
    #: With which the wanted wait is held, and what has piled up is soon done.
    workers_needed: int | None


def measure() -> list[Capacity]:
    """Return the capacity of each queue; a number of queries that does not depend on the rows."""
    alive = workers.alive()
    since = timezone.now() - timedelta(seconds=RATE_SECONDS)
    # The minute under way is half measured, and counts for what it has.
    busy = dict(
        Served.objects.filter(starts_at__gt=since - timedelta(minutes=1))
        .values_list("queue")
        .annotate(seconds=Sum("seconds"))
    )
    return [
        _measure(name, busy=busy.get(name, 0.0), count=sum(name in one["queues"] for one in alive))
        for name in queues.NAMES
    ]


def measured() -> list[Capacity]:
    """Return the same, up to KEPT_SECONDS old."""
    return cache.get_or_set(KEPT_AS, measure, KEPT_SECONDS) or measure()


def forget_the_old() -> int:
    """Remove what nobody measures with any more; return how many."""
    before = timezone.now() - timedelta(days=KEEP_DAYS)
    return Served.objects.filter(starts_at__lt=before).delete()[0]


def _measure(queue: str, *, busy: float, count: int) -> Capacity:
    of_queue = [kind for kind in kinds.KINDS if kind.queue == queue]
    models = list(dict.fromkeys(kind.model for kind in of_queue))
    done = sum(kinds.finished_since(model, seconds=RATE_SECONDS) for model in models)
    backlog = sum(kind.ready().count() + kind.held().count() for kind in of_queue)
    came = sum(kinds.created_since(model, seconds=RATE_SECONDS) for model in models)
    arrivals = came / RATE_SECONDS
    service = busy / done if done and busy else None
    wait = empty = needed = None
    if service is not None:
        wait = erlang.mean_wait(arrivals, service, count) if count else math.inf
        spare = count - arrivals * service
        empty = backlog * service / spare if spare > 0 else math.inf
        needed = erlang.servers_needed(
            arrivals, service, wait=settings.TARGET_WAIT, backlog=backlog
        )
    return Capacity(
        queue=queue,
        backlog=backlog,
        arrivals_per_second=arrivals,
        done_per_second=done / RATE_SECONDS,
        service_seconds=service,
        workers=count,
        wait_seconds=_finite(wait),
        empty_seconds=0.0 if not backlog else _finite(empty),
        workers_needed=needed,
    )


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) else None
