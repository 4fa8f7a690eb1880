"""Making a PostgreSQL hold what this installation's database does.

First whatever rows are missing are filled in, a batch at a time: what was copied stays when this is killed, and
Facewatch may go on working meanwhile. Then, in one transaction, the rows that differ are replaced and those removed
that are gone. Then both are compared. A second call does the same, with less to do.
"""

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connections, transaction

from facewatch.moving import MovingError, databases, rows, sequences
from facewatch.moving.rows import Tick
from facewatch.moving.tables import Digest, Table, carried

#: Which installation a database was copied from, and what it held when that was done; nothing while it is under way.
MARK = "CREATE TABLE IF NOT EXISTS facewatch_copy (installation text PRIMARY KEY, content text)"
OTHER_TABLES = "The target has the tables of another version of Facewatch: make a new database."
#: Of the lock that keeps a second copy out: the letters "face".
LOCK = 0x66616365


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many rows a table has on both sides, and whether they are the same."""

    label: str
    here: int
    there: int
    is_equal: bool


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What was done: rows stored and removed, and how both sides compare after that."""

    stored: int
    removed: int
    tables: list[Comparison]


def claim(*, source: str, target: str, tick: Tick) -> dict[str, str]:
    """Mark the target as a copy of this installation that is under way; return what it is known to hold, by table.

    Only one at a time may work on it. Raises MovingError if it holds anything else.
    """
    birthday = databases.birthday(using=source)
    with connections[target].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        (is_alone,) = cursor.fetchone()
    if not is_alone:
        raise MovingError("Another copy into the target is under way.")
    names = set(connections[target].introspection.table_names())
    held: dict[str, str] = {}
    if "facewatch_copy" in names:
        held = _check_copy(birthday, target=target, tick=tick)
    elif names:
        _check_unused(names, target=target)
    _set_mark(birthday, content=None, target=target)
    return held


def is_unfinished(*, using: str) -> bool:
    """Return whether a database is a copy of which nobody knows that it is whole."""
    if "facewatch_copy" not in connections[using].introspection.table_names():
        return False
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM facewatch_copy WHERE content IS NULL")
        return bool(cursor.fetchone()[0])


def copy(*, source: str, target: str, held: dict[str, str], tick: Tick) -> Copied:
    """Let the target hold what the source does. Raises MovingError, and `rows.BadRow` for what it cannot hold.

    `held` is what `claim` returned: tables that hold the same here are left as they are. `tick` is told of each row
    three times.
    """
    tables = carried()
    equal, stale = _sort_out(tables, source=source, held=held, tick=tick)
    stored = sum(_fill(table, source=source, target=target, tick=tick) for table in stale)
    with transaction.atomic(using=target):
        replaced, removed, digests = _settle(stale, source=source, target=target, tick=tick)
        databases.set_birthday(databases.birthday(using=source), using=target)
        for table in tables:
            if table.is_numbered:
                number = sequences.last_given(table, using=source)
                sequences.go_on_from(table, number, using=target)
    found = {table.label: rows.digest(table, using=target, tick=tick) for table in stale} | equal
    digests |= equal
    compared = [_compare(table.label, digests[table.label], found[table.label]) for table in tables]
    for one in compared:
        if not one.is_equal:
            raise MovingError(
                f"{one.label} came out different ({one.here} rows here, {one.there} there): call this again."
            )
    _set_mark(databases.birthday(using=source), content=_texts(digests), target=target)
    return Copied(stored=stored + replaced, removed=removed, tables=compared)


def compare(*, source: str, target: str, tick: Tick) -> list[Comparison]:
    """Return how both sides compare, and change nothing. `tick` is told of each row twice."""
    return [
        _compare(
            table.label,
            rows.digest(table, using=source, tick=tick),
            rows.digest(table, using=target, tick=tick),
        )
        for table in carried()
    ]


def _sort_out(
    tables: list[Table], *, source: str, held: dict[str, str], tick: Tick
) -> tuple[dict[str, Digest], list[Table]]:
    """Return the digests of the tables that are as the target holds them, and the tables that may not be."""
    equal: dict[str, Digest] = {}
    stale = []
    for table in tables:
        if table.label in held:
            digest = rows.digest(table, using=source, tick=lambda _: None)
            if _text(digest) == held[table.label]:
                equal[table.label] = digest
                tick(3 * digest.rows)
                continue
        stale.append(table)
    return equal, stale


def _fill(table: Table, *, source: str, target: str, tick: Tick) -> int:
    """Store the rows that are missing, a batch a transaction; return how many. What does not fit is left for later."""
    stored = 0
    for missing in rows.read_new(table, source=source, target=target, tick=tick):
        try:
            with transaction.atomic(using=target):
                rows.insert(table, missing, using=target, skip_known=True)
        except IntegrityError:
            # It refers to a row that is not there yet, or is in the way of one that has gone since.
            continue
        stored += len(missing)
    return stored


def _settle(
    tables: list[Table], *, source: str, target: str, tick: Tick
) -> tuple[int, int, dict[str, Digest]]:
    """Replace the rows that differ and remove those that are gone; return how many each, and the source's digests."""
    digests: dict[str, Digest] = {}
    wrong: dict[str, list[Any]] = {}
    gone: dict[str, list[Any]] = {}
    for table in tables:
        digests[table.label], wrong[table.label] = _differing(
            table, source=source, target=target, tick=tick
        )
        gone[table.label] = [
            key
            for keys in rows.batched(rows.read_keys(table, using=target))
            for key in set(keys) - rows.existing(table, keys, using=source)
        ]
    # All go before any comes: what is unique may have passed from one row to another.
    for table in reversed(tables):
        rows.delete(table, gone[table.label] + wrong[table.label], using=target)
    for table in tables:
        for keys in rows.batched(wrong[table.label]):
            rows.insert(table, list(rows.read(table, using=source, keys=keys)), using=target)
    return sum(map(len, wrong.values())), sum(map(len, gone.values())), digests


def _differing(table: Table, *, source: str, target: str, tick: Tick) -> tuple[Digest, list[Any]]:
    """Return the source's digest, and the keys of its rows that the target has not, or not like this."""
    digest, differing = Digest(), []
    for batch in rows.batched(rows.read(table, using=source)):
        keys = [row[table.key_place] for row in batch]
        there: dict[Any, str] = defaultdict(str)
        for row in rows.read(table, using=target, keys=keys):
            there[row[table.key_place]] = table.encode(row)
        for key, row in zip(keys, batch, strict=True):
            line = table.encode(row)
            digest.add(line)
            if there[key] != line:
                differing.append(key)
        tick(len(batch))
    return digest, differing


def _compare(label: str, here: Digest, there: Digest) -> Comparison:
    is_equal = (here.rows, here.content) == (there.rows, there.content)
    return Comparison(label=label, here=here.rows, there=there.rows, is_equal=is_equal)


def _check_copy(birthday: str, *, target: str, tick: Tick) -> dict[str, str]:
    """Return what a copy holds, by table; nothing if it is unfinished. Raises MovingError if it was changed."""
    with connections[target].cursor() as cursor:
        cursor.execute("SELECT installation, content FROM facewatch_copy")
        installation, content = cursor.fetchone()
    if installation != birthday:
        raise MovingError("The target holds a copy of another installation: make a new database.")
    if content is None:
        return {}
    if databases.migrations(using=target) != databases.code_migrations():
        raise MovingError(OTHER_TABLES)
    held = {table.label: _text(rows.digest(table, using=target, tick=tick)) for table in carried()}
    if json.loads(content) != held:
        raise MovingError(
            "Facewatch has worked on the target since it was copied; nothing was changed there. To copy anew, make a"
            " new database."
        )
    return held


def _check_unused(names: set[str], *, target: str) -> None:
    """Raise MovingError unless a database holds what a first start makes, and no more."""
    if "recognition_photo" not in names:
        raise MovingError("The target holds tables of something else: make a new database.")
    if databases.migrations(using=target) != databases.code_migrations():
        raise MovingError(OTHER_TABLES)
    if label := databases.in_use(using=target):
        raise MovingError(f"The target is not empty (it has rows of {label}): make a new database.")


def _texts(digests: dict[str, Digest]) -> str:
    return json.dumps({label: _text(digest) for label, digest in digests.items()})


def _text(digest: Digest) -> str:
    return f"{digest.rows} {digest.content}"


def _set_mark(installation: str, *, content: str | None, target: str) -> None:
    with transaction.atomic(using=target), connections[target].cursor() as cursor:
        cursor.execute(MARK)
        cursor.execute("DELETE FROM facewatch_copy")
        cursor.execute("INSERT INTO facewatch_copy VALUES (%s, %s)", [installation, content])
