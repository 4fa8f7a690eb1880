"""When work stood still: nobody kept the books of a minute, or something waited and nothing was done."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

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
    """Return when work on a model's rows stood still within a time, oldest first; two queries.

    Minutes before the first one that was ever stored are of a time when there was no server.
    """
    stored = Minute.objects.filter(subject=model._meta.label)
    first = stored.order_by("starts_at").values_list("starts_at", flat=True).first()
    if first is None:
        return []
    begin = max(since.replace(second=0, microsecond=0), first)
    minutes = {row.starts_at: row for row in stored.filter(starts_at__range=(begin, until))}
    return [
        Downtime(start=start, end=end)
        for shortest, start, end in _runs(minutes, begin=begin, until=until)
        if end - start >= shortest * MINUTE
    ]


def _runs(
    minutes: dict[datetime, Minute], *, begin: datetime, until: datetime
) -> Iterator[tuple[int, datetime, datetime]]:
    """Yield each run of still minutes: how many make it worth telling, where it begins, and where it ends."""
    start = None
    shortest = SHORTEST_STALL
    moment = begin
    while moment + MINUTE <= until:
        limit = _stillness(minutes.get(moment))
        if limit:
            start, shortest = start or moment, min(shortest, limit)
        elif start:
            yield shortest, start, moment
            start, shortest = None, SHORTEST_STALL
        moment += MINUTE
    if start:
        yield shortest, start, moment


def _stillness(minute: Minute | None) -> int:
    """Return how many such minutes in a row are worth telling; 0 for one in which all was well."""
    if minute is None or minute.waiting is None:
        return SHORTEST_GAP
    is_stalled = minute.waiting and not minute.done and not minute.failed
    return SHORTEST_STALL if is_stalled else 0
