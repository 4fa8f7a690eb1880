"""What came to a bad end, by reason."""

from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from ledger.exhibits import EXHIBITS, Exhibit

#: Reasons shown of one model, and rows shown of one reason: the newest.
MOST_REASONS, MOST_EXAMPLES = 12, 10


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Rows of one model that ended in one stage with one code, the newest of them as examples."""

    exhibit: Exhibit
    stage: str
    code: str
    count: int
    newest_at: datetime | None
    examples: list[Any]

    @property
    def key(self) -> str:
        """Its name on the page."""
        return f"{self.exhibit.key}-{self.stage}-{self.code}"

    @property
    def stage_name(self) -> str:
        """The name of the stage in the reader's language."""
        return str(self.exhibit.model.Stage(self.stage).label)  # type: ignore[attr-defined]

    @property
    def detail(self) -> str:
        """What the newest row says of it."""
        return self.examples[0].error_detail if self.examples else ""


def reasons() -> list[Reason]:
    """Return why rows failed, the newest reason of each model first; up to two queries a model, however many failed."""
    return [reason for exhibit in EXHIBITS.values() for reason in _reasons(exhibit)]


def counts() -> dict[tuple[str, ...], int]:
    """Return how many rows came to a bad end, by model and stage, none as 0; a query a model."""
    found: dict[tuple[str, ...], int] = {}
    for exhibit in EXHIBITS.values():
        if exhibit.bad:
            ended = _bad(exhibit).order_by().values_list("stage").annotate(count=Count("*"))
            by_stage = dict.fromkeys(exhibit.bad, 0) | dict(ended)
            found.update({(exhibit.key, str(stage)): by_stage[stage] for stage in exhibit.bad})
    return found


def of_reason(exhibit: Exhibit, *, stage: str, code: str) -> "QuerySet[Any]":
    """Return the rows of a reason."""
    return exhibit.rows().filter(stage=stage, error_code=code)


def version() -> str:
    """Return a text that changes when there are more or fewer failures, or newer ones; a query a model."""
    parts = []
    for exhibit in EXHIBITS.values():
        if exhibit.bad:
            found = _bad(exhibit).aggregate(count=Count("*"), newest=Max("finished_at"))
            newest = found["newest"].isoformat() if found["newest"] else ""
            parts.append(f"{found['count']}@{newest}")
    return ";".join(parts)


def _bad(exhibit: Exhibit) -> "QuerySet[Any]":
    # Not `stage__in`: for that SQLite uses no partial index.
    return exhibit.rows().filter(reduce(or_, (Q(stage=stage) for stage in exhibit.bad)))


def _reasons(exhibit: Exhibit) -> list[Reason]:
    if not exhibit.bad:
        return []
    groups = (
        _bad(exhibit)
        .order_by()
        .values("stage", "error_code")
        .annotate(count=Count("*"), newest=Max("finished_at"))
        .order_by("-newest", "error_code")[:MOST_REASONS]
    )
    found = list(groups)
    examples = _examples(exhibit, [(group["stage"], group["error_code"]) for group in found])
    return [
        Reason(
            exhibit=exhibit,
            stage=group["stage"],
            code=group["error_code"],
            count=group["count"],
            newest_at=group["newest"],
            examples=examples.get((group["stage"], group["error_code"]), []),
        )
        for group in found
    ]


def _examples(exhibit: Exhibit, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], list[Any]]:
    """Return the newest rows of each reason; one query, which reads no others."""
    if not wanted:
        return {}
    newest = [
        of_reason(exhibit, stage=stage, code=code)
        .order_by("-finished_at")
        .values("pk")[:MOST_EXAMPLES]
        for stage, code in wanted
    ]
    rows = exhibit.model._default_manager.filter(reduce(or_, (Q(pk__in=pks) for pks in newest)))
    found: dict[tuple[str, str], list[Any]] = {}
    for row in rows.order_by("-finished_at", "pk"):
        found.setdefault((row.stage, row.error_code), []).append(row)
    return found
