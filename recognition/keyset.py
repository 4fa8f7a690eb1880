"""Pages of a list that grows at its top: the next one starts after a row, not after a number of rows."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[M]):
    """Some rows, newest first; `older` and `newer` are the cursors of the pages beside it, empty at the ends.

    `place` is the cursor before which this page stands: by it the same page is found again.
    """

    rows: list[M]
    older: str
    newer: str
    place: str


def newest_first(rows: "QuerySet[M]", *, before: str = "", after: str = "", size: int) -> Page[M]:
    """Return up to `size` rows by `created_at` and `id`: those just older than `before`, or just newer than `after`.

    Empty or senseless cursors give the newest. Rows that came in since are never shown twice, and none is left out. One
    query.
    """
    if not before and (from_here := _compared(after, "gt")):
        found = list(rows.filter(from_here).order_by("created_at", "id")[: size + 1])
        shown = found[size - 1 :: -1] if len(found) > size else found[::-1]
        return Page(
            rows=shown,
            older=cursor(shown[-1]) if shown else "",
            newer=cursor(shown[0]) if len(found) > size else "",
            place=cursor(found[size]) if len(found) > size else "",
        )
    older_than = _compared(before, "lt")
    if older_than:
        rows = rows.filter(older_than)
    found = list(rows.order_by("-created_at", "-id")[: size + 1])
    shown = found[:size]
    return Page(
        rows=shown,
        older=cursor(shown[-1]) if len(found) > size else "",
        newer=cursor(shown[0]) if older_than and shown else "",
        place=before if older_than else "",
    )


def newer_than(rows: "QuerySet[M]", cursor: str) -> "QuerySet[M]":
    """Return the rows that are newer than a cursor; all of them for one that is empty or makes no sense."""
    newer = _compared(cursor, "gt")
    return rows.filter(newer) if newer else rows


def cursor(row: Any) -> str:
    """Return the cursor of a row: its place in the list."""
    return f"{row.created_at.isoformat()}_{row.pk}"


def _compared(cursor: str, comparison: str) -> Q | None:
    moment, _, key = cursor.partition("_")
    try:
        created_at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
    except ValueError:
        return None
    if created_at.tzinfo is None:
        return None
    return Q(**{f"created_at__{comparison}": created_at}) | Q(
        **{"created_at": created_at, f"id__{comparison}": pk}
    )
