"""Which rows there are to work on, and how each is woken. Apps register theirs when Django starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from huey.api import TaskWrapper

from ledger import leases
from ledger.models import Work


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Rows of one model in one open stage, and the task that works on one of them."""

    model: type[Work]
    stage: str
    task: TaskWrapper

    @property
    def urgency(self) -> int:
        """The task's own priority, to which a row's is added."""
        return int(self.task.task_class.default_priority or 0)

    def rows(self) -> "QuerySet[Any]":
        """Return the rows in this stage, whoever holds them."""
        return self.model._default_manager.filter(stage=self.stage)

    def ready(self) -> "QuerySet[Any]":
        """Return the rows that nobody holds and whose time has come."""
        now = timezone.now()
        return self.rows().filter(leases.free(now), leases.due(now))

    def count(self) -> dict[str, Any]:
        """Return how many rows are `ready`, `leased` and `waiting` (for their next try), and the oldest's age."""
        now = timezone.now()
        free, due = leases.free(now), leases.due(now)
        counts = self.rows().aggregate(
            ready=Count("pk", filter=free & due),
            leased=Count("pk", filter=~free),
            waiting=Count("pk", filter=free & ~due),
            oldest=Min("created_at"),
        )
        oldest = counts.pop("oldest")
        return counts | {"oldest_seconds": age_seconds(oldest) if oldest else 0}


#: All kinds, in the order of the way of a photo.
KINDS: list[Kind] = []
#: Things that the sweep does besides waking rows, by name: each returns how many it mended.
CHORES: dict[str, Callable[[], int]] = {}


def register(*, model: type[Work], stage: str, task: TaskWrapper) -> None:
    """Make rows of `model` in `stage` known to the sweep and the queue's state."""
    KINDS.append(Kind(model=model, stage=stage, task=task))


def finished_since(model: type[Work], *, seconds: int) -> int:
    """Return how many rows of a model reached a final stage within the last seconds."""
    now = timezone.now()
    window = (now - timedelta(seconds=seconds), now)
    return model._default_manager.filter(finished_at__range=window).count()


def age_seconds(moment: datetime) -> float:
    """Return the seconds since a moment, to a tenth."""
    return round((timezone.now() - moment).total_seconds(), 1)
