"""How much is unprocessed, and how fast it shrinks."""

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from ledger import kinds
from ledger.models import Work

#: Seconds over which the rate of finished rows is measured.
RATE_SECONDS = 60


def unfinished(model: type[Work]) -> "QuerySet[Any]":
    """Return the rows of a model in which something is still to be done."""
    # Not `stage__in`: for that SQLite uses no partial index, and counting reads every row that there ever was.
    stages = (Q(stage=stage) for stage in model.OPEN_STAGES)
    return model._default_manager.filter(reduce(or_, stages))


def rate(model: type[Work]) -> float:
    """Return the rows finished per second, over the last minute."""
    return kinds.finished_since(model, seconds=RATE_SECONDS) / RATE_SECONDS


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
