"""Reading and writing the rows of a table in a database that is named by its alias."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from django.db import DatabaseError, connections, transaction
from django.db.models import QuerySet
from django.db.models.constants import OnConflict
from django.db.models.sql import DeleteQuery, InsertQuery

from facewatch.moving import MovingError
from facewatch.moving.tables import Digest, Table

T = TypeVar("T")
Row = Sequence[Any]
#: Told how many rows or files were done.
Tick = Callable[[int], None]

#: Rows that are read, compared and written at once.
BATCH = 500


class BadRow(MovingError):
    """The database refuses a row."""


def read(table: Table, *, using: str, keys: Sequence[Any] | None = None) -> Iterator[Row]:
    """Yield all rows of a table in the order of their keys, or those with these keys."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by("pk")
    if keys is not None:
        rows = rows.filter(pk__in=keys)
    yield from rows.values_list(*table.columns).iterator(chunk_size=BATCH)


def read_new(table: Table, *, source: str, target: str, tick: Tick) -> Iterator[list[Row]]:
    """Yield the rows that a table of the source has and the target's has not, by their keys, in batches."""
    for keys in batched(read_keys(table, using=source)):
        known = existing(table, keys, using=target)
        missing = [key for key in keys if key not in known]
        if missing:
            yield list(read(table, using=source, keys=missing))
        tick(len(keys))


def read_keys(table: Table, *, using: str) -> Iterator[Any]:
    """Yield the keys of all rows."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using).order_by("pk")
    yield from rows.values_list("pk", flat=True).iterator(chunk_size=10 * BATCH)


def existing(table: Table, keys: Sequence[Any], *, using: str) -> set[Any]:
    """Return those of these keys that the table has."""
    rows: QuerySet[Any] = QuerySet(table.model, using=using).filter(pk__in=keys)
    return set(rows.values_list("pk", flat=True))


def count(table: Table, *, using: str) -> int:
    """Return how many rows there are."""
    return QuerySet(table.model, using=using).count()


def digest(table: Table, *, using: str, tick: Tick) -> Digest:
    """Return the digest of all rows."""
    found = Digest()
    for batch in batched(read(table, using=using)):
        for row in batch:
            found.add(table.encode(row))
        tick(len(batch))
    return found


def insert(table: Table, rows: Sequence[Row], *, using: str, skip_known: bool = False) -> None:
    """Store rows as they are: nothing is made up, counted on or set to now. Call it in a transaction.

    `skip_known` passes over those that a unique constraint refuses. Raises BadRow, which names the row.
    """
    try:
        with transaction.atomic(using=using):
            _insert(table, rows, using=using, skip_known=skip_known)
    except (DatabaseError, ValueError, OverflowError) as error:
        _find_bad(table, rows, using=using)
        raise BadRow(f"{table.label}: the database refuses rows: {_first_line(error)}") from error


def delete(table: Table, keys: Sequence[Any], *, using: str) -> None:
    """Remove the rows with these keys and nothing else: what refers to them stays until the transaction ends."""
    DeleteQuery(table.model).delete_batch(list(keys), using)


def empty(table: Table, *, using: str) -> None:
    """Remove all rows."""
    delete(table, list(read_keys(table, using=using)), using=using)


def batched(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of this size, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _insert(table: Table, rows: Sequence[Row], *, using: str, skip_known: bool) -> None:
    made = [table.model.from_db(using, table.columns, row) for row in rows]
    size = connections[using].ops.bulk_batch_size(table.fields, made)
    for part in batched(made, max(1, size)):
        query = InsertQuery(table.model, on_conflict=OnConflict.IGNORE if skip_known else None)
        query.insert_values(table.fields, part, raw=True)
        query.get_compiler(using=using).execute_sql()


def _find_bad(table: Table, rows: Sequence[Row], *, using: str) -> None:
    """Raise BadRow for the first row that the database refuses by itself."""
    for row in rows:
        try:
            with transaction.atomic(using=using):
                _insert(table, [row], using=using, skip_known=False)
        except (DatabaseError, ValueError, OverflowError) as error:
            key = row[table.key_place]
            line = f"{table.label} {key} cannot be stored: {_first_line(error)}. Correct that row, and call this again."
            raise BadRow(line) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
