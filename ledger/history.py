"""What was done in each minute, and how much waited at its end: written by the sweep, shown as a chart."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.db.models.functions import TruncMinute
from django.utils import timezone

from ledger import backlog
from ledger.exhibits import EXHIBITS, Exhibit
from ledger.models import Minute

#: Seconds after which everything that came to its end within a minute is committed.
SETTLE_SECONDS = 5
#: Hours that are made up for when no sweeper ran: what was done is still known then, what waited is not.
MAKE_UP_HOURS = 6
#: Days for which minutes are kept.
KEEP_DAYS = 7
#: Minutes of one row of the table.
STEP_MINUTES = 10

MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class Step:
    """Some minutes taken together; `waiting` is the last number known, None if nobody counted."""

    starts_at: datetime
    done: int = 0
    failed: int = 0
    waiting: int | None = None


def record_minutes() -> int:
    """Store what was done in each minute that is over and not stored yet; return how many were made up for late.

    Any number of processes may do so at once, and a second call stores nothing.
    """
    last = (timezone.now() - timedelta(seconds=SETTLE_SECONDS)).replace(second=0, microsecond=0)
    return sum(_record(exhibit, last=last - MINUTE) for exhibit in charted())


def charted() -> list[Exhibit]:
    """Return the models that have a history."""
    return [exhibit for exhibit in EXHIBITS.values() if exhibit.is_kept]


def minutes(exhibit: Exhibit, *, hours: int) -> list[Minute]:
    """Return the stored minutes of the last hours, oldest first; one query."""
    now = timezone.now()
    of_late = (now - timedelta(hours=hours), now)
    stored = Minute.objects.filter(subject=exhibit.subject, starts_at__range=of_late)
    return list(stored.order_by("starts_at"))


def columns(stored: list[Minute], *, hours: int) -> dict[str, list[int | None]]:
    """Return the minutes as columns of equal length, one entry for each minute of those hours.

    It is None where none is stored. `starts_at` is in seconds since 1970.
    """
    found = {int(minute.starts_at.timestamp()): minute for minute in stored}
    end = int(timezone.now().timestamp()) // 60 * 60
    times = range(end - hours * 3600, end, 60)
    minutes = [found.get(time) for time in times]
    return {
        "starts_at": list(times),
        "done": [minute.done if minute else None for minute in minutes],
        "failed": [minute.failed if minute else None for minute in minutes],
        "waiting": [minute.waiting if minute else None for minute in minutes],
    }


def steps(stored: list[Minute]) -> list[Step]:
    """Return the minutes in steps of STEP_MINUTES, newest first."""
    found: dict[datetime, Step] = {}
    for minute in stored:
        past = minute.starts_at.minute % STEP_MINUTES
        starts_at = minute.starts_at - past * MINUTE
        step = found.setdefault(starts_at, Step(starts_at=starts_at))
        step.done += minute.done
        step.failed += minute.failed
        if minute.waiting is not None:
            step.waiting = minute.waiting
    return list(reversed(found.values()))


def _record(exhibit: Exhibit, *, last: datetime) -> int:
    """Store the minutes of one model up to the last one that is over; return how many but that."""
    # A minute from the future was stored before the clock was set back.
    stored = Minute.objects.filter(subject=exhibit.subject, starts_at__lte=last)
    newest = stored.order_by("-starts_at").values_list("starts_at", flat=True).first()
    earliest = last - timedelta(hours=MAKE_UP_HOURS)
    first = max(newest + MINUTE, earliest) if newest else last
    if first > last:
        return 0
    counts = _count(exhibit, first=first, last=last)
    missing = [first + number * MINUTE for number in range((last - first) // MINUTE + 1)]
    Minute.objects.bulk_create(
        (
            Minute(
                subject=exhibit.subject,
                starts_at=starts_at,
                done=counts[starts_at, True],
                failed=counts[starts_at, False],
                waiting=backlog.unfinished(exhibit.model).count() if starts_at == last else None,
            )
            for starts_at in missing
        ),
        ignore_conflicts=True,
    )
    forgotten = last - timedelta(days=KEEP_DAYS)
    Minute.objects.filter(subject=exhibit.subject, starts_at__lt=forgotten).delete()
    return len(missing) - 1


def _count(exhibit: Exhibit, *, first: datetime, last: datetime) -> Counter[tuple[datetime, bool]]:
    """Return how many rows were done (True) or failed (False) in each minute from the first to the last."""
    ended = exhibit.model._default_manager.filter(
        finished_at__gte=first, finished_at__lt=last + MINUTE
    )
    found = (
        ended.order_by()
        .values("stage", minute=TruncMinute("finished_at"))
        .annotate(count=Count("*"))
    )
    counts: Counter[tuple[datetime, bool]] = Counter()
    for row in found:
        if row["stage"] in (exhibit.done, *exhibit.bad):
            counts[row["minute"], row["stage"] == exhibit.done] += row["count"]
    return counts
