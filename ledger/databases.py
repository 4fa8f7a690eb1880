"""The connections of a process to its databases."""

from django.db import connections


def let_go() -> None:
    """Close every connection of this process, and every pool of them: what it forks from here on shares none."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        # Only PostgreSQL's has a pool.
        if close_pool := getattr(connection, "close_pool", None):
            close_pool()
