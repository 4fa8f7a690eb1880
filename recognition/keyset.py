"""Pages of a list that grows at its top: the next one starts after a row, not after a number of rows."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[M]):
    """Some rows, newest first; `older` and `newer` are the cursors of the pages beside it, empty at the ends."""

    rows: list[M]
    older: str
    newer: str

    @property
    def at(self) -> str:
        """The cursor by which `newest_first` gives this page again, whatever came in since; empty without rows."""
        return cursor(self.rows[0]) if self.rows else ""


def newest_first(
    rows: "QuerySet[M]", *, before: str = "", after: str = "", at: str = "", size: int
) -> Page[M]:
    """Return up to `size` rows by `created_at` and `id`, newest first; one query.

    `before` gives the rows just older than a cursor, `after` those just newer, `at` the row itself and older ones; the
    first of them that makes sense counts, and without any it is the newest rows. Rows that came in since are never
    shown twice, and none is left out. With `at` nobody looks whether there are newer rows: `newer` is then a guess.
    """
    older_than, newer_than_it = _compared(before, "lt"), _compared(after, "gt")
    if older_than is None and newer_than_it is not None:
        return _just_newer(rows.filter(newer_than_it), size=size)
    start = older_than or _compared(at, "lt", or_equal=True)
    if start:
        rows = rows.filter(start)
    found = list(rows.order_by("-created_at", "-id")[: size + 1])
    shown = found[:size]
    return Page(
        rows=shown,
        older=cursor(shown[-1]) if len(found) > size else "",
        newer=cursor(shown[0]) if start and shown else "",
    )


def cursor(row: Any) -> str:
    """Return the cursor of a row: its place in the list."""
    return f"{row.created_at.isoformat()}_{row.pk}"


def _just_newer(rows: "QuerySet[M]", *, size: int) -> Page[M]:
    found = list(rows.order_by("created_at", "id")[: size + 1])
    shown = found[:size][::-1]
    return Page(
        rows=shown,
        older=cursor(shown[-1]) if shown else "",
        newer=cursor(shown[0]) if len(found) > size else "",
    )


def _compared(cursor: str, comparison: str, *, or_equal: bool = False) -> Q | None:
    """Return which rows lie beyond a cursor, None for one that makes no sense.

    The bound on `created_at` alone says nothing new; by it a database finds the place in the index.
    """
    moment, _, key = cursor.partition("_")
    try:
        created_at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
    except ValueError:
        return None
    if created_at.tzinfo is None:
        return None
    beyond_id = f"id__{comparison}{'e' if or_equal else ''}"
    return Q(**{f"created_at__{comparison}e": created_at}) & (
        Q(**{f"created_at__{comparison}": created_at}) | Q(**{beyond_id: pk})
    )
