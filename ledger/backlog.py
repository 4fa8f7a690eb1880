"""How much is unprocessed, how fast it shrinks, and when to refuse more."""

import random
from typing import Any

from django.db.models import QuerySet

from ledger import kinds
from ledger.models import Work

#: Seconds over which the rate of finished rows is measured.
RATE_SECONDS = 60
#: Bounds of Retry-After, in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 5, 300


class BacklogFull(Exception):
    """So much is unprocessed that nothing more is accepted for about `retry_after` seconds."""

    def __init__(self, *, unfinished: int, limit: int, retry_after: int) -> None:
        super().__init__(f"{unfinished} photos wait already, {limit} may")
        self.unfinished = unfinished
        self.limit = limit
        self.retry_after = retry_after


def check(model: type[Work], *, limit: int) -> None:
    """Raise BacklogFull if `limit` or more rows of the model are unfinished."""
    unfinished = _unfinished(model).count()
    if unfinished >= limit:
        wait = retry_after(unfinished - limit + 1, rate=rate(model))
        raise BacklogFull(unfinished=unfinished, limit=limit, retry_after=wait)


def rate(model: type[Work]) -> float:
    """Return the rows finished per second, over the last minute."""
    return kinds.finished_since(model, seconds=RATE_SECONDS) / RATE_SECONDS


def retry_after(rows: int, *, rate: float) -> int:
    """Return the whole seconds that so many rows take at that rate, within bounds, plus up to a quarter at random."""
    wait = rows / rate if rate else LONGEST_WAIT
    return round(min(max(wait, SHORTEST_WAIT), LONGEST_WAIT) * random.uniform(1, 1.25))  # noqa: S311


def state(model: type[Work]) -> dict[str, Any]:
    """Return the model's queue: counts per open stage, `failed`, `done_per_minute` and `eta_seconds`.

    `eta_seconds` is None while something waits and nothing was finished within the last minute.
    """
    stages = {kind.stage: kind.count() for kind in kinds.KINDS if kind.model is model}
    done = kinds.finished_since(model, seconds=RATE_SECONDS)
    left = sum(stage["ready"] + stage["leased"] + stage["waiting"] for stage in stages.values())
    eta = round(left / done * RATE_SECONDS, 1) if done else None
    return {
        "stages": stages,
        "failed": model._default_manager.filter(stage=model.FAILED).count(),
        "done_per_minute": done,
        "eta_seconds": eta if left else 0,
    }


def _unfinished(model: type[Work]) -> "QuerySet[Any]":
    return model._default_manager.filter(stage__in=model.OPEN_STAGES)
