"""Which rows there are to work on, and how each is woken. Apps register theirs when Django starts."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from huey.api import TaskWrapper

from ledger import leases, pauses
from ledger.models import Work


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Rows of one model in one open stage, and the task that works on one of them."""

    model: type[Work]
    stage: str
    task: TaskWrapper
    #: What the work on such rows is called.
    name: Any

    @property
    def subject(self) -> str:
        """What pauses call the work on such rows."""
        return pauses.subject_of(self.model, self.stage)

    @property
    def queue(self) -> str:
        """The queue that wakes those who work on such rows."""
        return str(self.task.task_class.queue)

    @property
    def urgency(self) -> int:
        """The task's own priority, to which a row's is added."""
        return int(self.task.task_class.default_priority or 0)

    def rows(self) -> "QuerySet[Any]":
        """Return the rows in this stage, whoever holds them."""
        return self.model._default_manager.filter(stage=self.stage)

    def ready(self) -> "QuerySet[Any]":
        """Return the rows that nobody holds and whose time has come; none while the stage is paused."""
        now = timezone.now()
        due = leases.due(now, self.model)
        return self.rows().filter(leases.free(now), due, pauses.running(self.subject))

    def held(self) -> "QuerySet[Any]":
        """Return the rows that somebody is at work on."""
        return self.rows().exclude(leases.free(timezone.now()))

    def count(self) -> dict[str, Any]:
        """Return how many rows are `ready`, `leased` and `waiting` (for their next try), and the oldest's age."""
        now = timezone.now()
        free, due = leases.free(now), leases.due(now, self.model)
        counts = self.rows().aggregate(
            ready=Count("stage", filter=free & due),
            leased=Count("stage", filter=~free),
            waiting=Count("stage", filter=free & ~due),
            oldest=Min("created_at"),
        )
        oldest = counts.pop("oldest")
        return counts | {"oldest_seconds": age_seconds(oldest) if oldest else 0}


#: All kinds, in the order of the way of a photo.
KINDS: list[Kind] = []
#: Things that the sweep does besides waking rows, by name: each returns how many it mended.
CHORES: dict[str, Callable[[], int]] = {}


def register(*, model: type[Work], stage: str, task: TaskWrapper, name: Any) -> None:
    """Make rows of `model` in `stage` known to the sweep, to the queue's state, and as something that can be paused."""
    kind = Kind(model=model, stage=stage, task=task, name=name)
    KINDS.append(kind)
    pauses.NAMES[kind.subject] = name


def finished_since(model: type[Work], *, seconds: int) -> int:
    """Return how many rows of a model reached a final stage within the last seconds."""
    return model._default_manager.filter(finished_at__range=_last(seconds)).count()


def created_since(model: type[Work], *, seconds: int) -> int:
    """Return how many rows of a model came in within the last seconds."""
    return model._default_manager.filter(created_at__range=_last(seconds)).count()


def _last(seconds: int) -> tuple[datetime, datetime]:
    now = timezone.now()
    return now - timedelta(seconds=seconds), now


def age_seconds(moment: datetime) -> float:
    """Return the seconds since a moment, to a tenth."""
    return round((timezone.now() - moment).total_seconds(), 1)
