"""Pages of a list that grows at its top: the next one starts after a row, not after a number of rows."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Page(Generic[M]):
    """Some rows, newest first; `older` is the cursor of the page after them, empty on the last."""

    rows: list[M]
    older: str


def newest_first(rows: "QuerySet[M]", *, before: str, size: int) -> Page[M]:
    """Return up to `size` rows that are older than the cursor `before`, by `created_at` and `id`; one query.

    An empty or senseless cursor gives the newest. Rows that came in since are never shown twice, and none is left out.
    """
    if older_than := _older_than(before):
        rows = rows.filter(older_than)
    found = list(rows.order_by("-created_at", "-id")[: size + 1])
    shown = found[:size]
    return Page(rows=shown, older=_cursor(shown[-1]) if len(found) > size else "")


def _cursor(row: Any) -> str:
    return f"{row.created_at.isoformat()}_{row.pk}"


def _older_than(cursor: str) -> Q | None:
    moment, _, key = cursor.partition("_")
    try:
        created_at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
    except ValueError:
        return None
    if created_at.tzinfo is None:
        return None
    return Q(created_at__lt=created_at) | Q(created_at=created_at, id__lt=pk)
