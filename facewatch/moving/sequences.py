"""The numbers that databases give to rows: none that was given before is given again after a move.

Known faces, embeddings and others are told apart by numbers that outlive their rows, such as in tombstones.
"""

from django.db import connections

from facewatch.moving.tables import Table


def last_given(table: Table, *, using: str) -> int:
    """Return the largest number that the database gave to a row of the table; 0 for none."""
    name = table.model._meta.db_table
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "sqlite":
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [name])
        else:
            cursor.execute(
                "SELECT pg_sequence_last_value(pg_get_serial_sequence(%s, %s)::regclass)",
                [f'"{name}"', table.columns[table.key_place]],
            )
        found = cursor.fetchone()
    return int(found[0] or 0) if found else 0


def go_on_from(table: Table, number: int, *, using: str) -> None:
    """Let the next row of the table get a number above this one; rows may have larger ones."""
    name, key = table.model._meta.db_table, table.columns[table.key_place]
    largest = table.model._default_manager.using(using).order_by("-pk").values_list("pk", flat=True)
    number = max(number, largest.first() or 0)
    if not number:
        return
    with connections[using].cursor() as cursor:
        if connections[using].vendor != "sqlite":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, %s)::regclass, %s)",
                [f'"{name}"', key, number],
            )
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [name])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [name, number])
