"""How SQLite means to answer a query."""

from django.db import connection


def steps(sql: str) -> list[str]:
    """Return the steps of SQLite's plan for a query, as it words them: "SCAN …" reads all of a table or an index."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        return [str(row[-1]) for row in cursor.fetchall()]
