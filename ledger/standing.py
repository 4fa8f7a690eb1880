"""What the page of the queue shows of the moment: what waits of each model and stage, and what each worker does."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from ledger import backlog, kinds, workers
from ledger.exhibits import EXHIBITS, Exhibit
from ledger.models import Worker
from ledger.pauses import Paused

#: Hours over which what came to an end is counted.
LATE_HOURS = 24
#: Workers that are gone and still shown.
MOST_GONE = 5


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage of a model: what waits, and whether it is paused."""

    name: str
    ready: int
    leased: int
    waiting: int
    oldest_at: datetime | None
    is_paused: bool


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many rows are in a stage, and where they are listed (empty: nowhere)."""

    stage: str
    name: str
    count: int
    address: str
    is_bad: bool
    is_of_late: bool


@dataclass(frozen=True, kw_only=True)
class ModelRow:
    """One model: its stages, how fast it shrinks, and what else is counted of it."""

    exhibit: Exhibit
    address: str
    stages: list[StageRow]
    done_per_minute: int
    eta_seconds: float | None
    tallies: list[Tally]

    @property
    def total(self) -> int:
        """How many rows there is still something to be done with."""
        return sum(stage.ready + stage.leased + stage.waiting for stage in self.stages)


@dataclass(frozen=True, kw_only=True)
class WorkerRow:
    """A worker, and what it is at: the work's name (empty when idle), the row's and its address."""

    worker: Worker
    is_alive: bool
    work: str = ""
    row: str = ""
    address: str = ""

    @property
    def queues(self) -> str:
        """What it takes, in words."""
        return self.worker.queues.replace(",", ", ")


def models(user: Any, *, paused: list[Paused]) -> list[ModelRow]:
    """Return what waits of each model; a number of queries that does not depend on the rows."""
    stopped = {one.subject for one in paused}
    return [_model(exhibit, user=user, stopped=stopped) for exhibit in EXHIBITS.values()]


def at_work(user: Any) -> list[WorkerRow]:
    """Return the workers that are alive, by name, and then the last few that are gone; one query."""
    alive, gone = workers.known()
    return [
        *(_worker(worker, user=user) for worker in alive),
        *(WorkerRow(worker=worker, is_alive=False) for worker in gone[:MOST_GONE]),
    ]


def _model(exhibit: Exhibit, *, user: Any, stopped: set[str]) -> ModelRow:
    state = backlog.state(exhibit.model)
    now = timezone.now()
    stages = []
    for kind in kinds.KINDS:
        if kind.model is not exhibit.model:
            continue
        counts = state["stages"][kind.stage]
        some = counts["ready"] + counts["leased"] + counts["waiting"]
        stages.append(
            StageRow(
                name=str(kind.name),
                ready=counts["ready"],
                leased=counts["leased"],
                waiting=counts["waiting"],
                oldest_at=now - timedelta(seconds=counts["oldest_seconds"]) if some else None,
                is_paused=kind.subject in stopped,
            )
        )
    return ModelRow(
        exhibit=exhibit,
        address=exhibit.list_address("", user),
        stages=stages,
        done_per_minute=state["done_per_minute"],
        eta_seconds=state["eta_seconds"],
        tallies=_tallies(exhibit, user=user, failed=state["failed"]),
    )


def _tallies(exhibit: Exhibit, *, user: Any, failed: int) -> list[Tally]:
    counts = {exhibit.model.FAILED: failed} if exhibit.bad and not exhibit.counted else {}
    for together in exhibit.counted:
        # Not `stage__in`: for that SQLite uses no partial index.
        wanted = reduce(or_, (Q(stage=stage) for stage in together))
        counts |= dict.fromkeys(together, 0) | _by_stage(exhibit, wanted)
    if exhibit.counted_of_late:
        wanted = Q(finished_at__gte=timezone.now() - timedelta(hours=LATE_HOURS))
        found = _by_stage(exhibit, wanted & Q(stage__in=exhibit.counted_of_late))
        counts |= dict.fromkeys(exhibit.counted_of_late, 0) | found
    return [
        Tally(
            stage=stage,
            name=str(exhibit.model.Stage(stage).label),  # type: ignore[attr-defined]
            count=count,
            address=exhibit.list_address(stage, user),
            is_bad=stage in exhibit.bad and count > 0,
            is_of_late=stage in exhibit.counted_of_late,
        )
        for stage, count in counts.items()
    ]


def _by_stage(exhibit: Exhibit, wanted: Q) -> dict[str, int]:
    rows = exhibit.model._default_manager.filter(wanted).order_by()
    return dict(rows.values_list("stage").annotate(count=Count("*")))


def _worker(worker: Worker, *, user: Any) -> WorkerRow:
    """Return what an alive worker does in words; what is about no row that is shown is told as it was reported."""
    task, _, pk = worker.doing.partition(" ")
    for kind in kinds.KINDS:
        exhibit = EXHIBITS.get(str(kind.model._meta.model_name))
        if exhibit is None or kind.task.task_class.__name__ != task:
            continue
        for found in exhibit.ids([pk]):
            return WorkerRow(
                worker=worker,
                is_alive=True,
                work=str(kind.name),
                row=pk[:8],
                address=exhibit.row_address(found, user),
            )
    return WorkerRow(worker=worker, is_alive=True, work=worker.doing)
