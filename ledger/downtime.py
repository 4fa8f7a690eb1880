"""When work stood still: nobody kept the books of a minute, or something waited and nothing was done."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q

from ledger.models import Minute, Work

MINUTE = timedelta(minutes=1)
#: Minutes that nobody counted, and minutes in which nothing was done, in a row, from which on it is told.
SHORTEST_GAP, SHORTEST_STALL = 3, 10


@dataclass(frozen=True, kw_only=True)
class Downtime:
    """Work stood still from `start` until before `end`."""

    start: datetime
    end: datetime


def downtimes(model: type[Work], *, since: datetime, until: datetime) -> list[Downtime]:
    """Return when work on a model's rows stood still within a time, oldest first; three queries at the most.

    What began before is told from its beginning.
    Minutes before the first one that was ever stored are of a time when there was no server.
    """
    stored = Minute.objects.filter(subject=model._meta.label)
    first = stored.order_by("starts_at").values_list("starts_at", flat=True).first()
    if first is None:
        return []
    begin = max(since.replace(second=0, microsecond=0), first)
    minutes = {row.starts_at: row for row in stored.filter(starts_at__range=(begin, until))}
    runs = list(_runs(minutes, begin=begin, until=until))
    if runs and runs[0].start == begin:
        # It stood still before already.
        well = stored.filter(Q(done__gt=0) | Q(failed__gt=0) | Q(waiting=0), starts_at__lt=begin)
        last = well.order_by("-starts_at").values_list("starts_at", flat=True).first()
        runs[0] = replace(runs[0], start=last + MINUTE if last else first)
    return runs


def _runs(
    minutes: dict[datetime, Minute], *, begin: datetime, until: datetime
) -> Iterator[Downtime]:
    """Yield each run of still minutes that is long enough to be told."""
    start, uncounted = None, 0
    moment = begin
    while moment <= until:
        minute = minutes.get(moment)
        is_over = moment + MINUTE > until
        if not is_over and _is_still(minute):
            start = start or moment
            uncounted += _is_uncounted(minute)
        elif start:
            if uncounted >= SHORTEST_GAP or moment - start >= SHORTEST_STALL * MINUTE:
                yield Downtime(start=start, end=moment)
            start, uncounted = None, 0
        moment += MINUTE


def _is_uncounted(minute: Minute | None) -> bool:
    """Return whether nobody kept the books of a minute; one that was made up for later has no count of what waited."""
    return minute is None or minute.waiting is None


def _is_still(minute: Minute | None) -> bool:
    if minute and (minute.done or minute.failed):
        return False
    return _is_uncounted(minute) or bool(minute and minute.waiting)
