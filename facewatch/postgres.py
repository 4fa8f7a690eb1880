"""How connections to PostgreSQL are opened, so that none waits for ever on a network that was cut.

Without this an end that hears nothing more waits for hours: a worker for its answer, and the server for
the rest of a transaction, whose locks nobody else gets past meanwhile.
"""

from typing import Any


def options(*, connections: int, silence_seconds: int, lease_seconds: int) -> dict[str, Any]:
    """Return the OPTIONS of Django's database: a pool of so many connections for the threads of a process.

    An end that hears nothing for `silence_seconds`, though it asked, gives the connection up; both ends look. A
    transaction in which nothing is said ends with the lease of whoever opened it, and so do its locks.
    """
    idle, interval, count = max(1, silence_seconds // 2), max(1, silence_seconds // 6), 3
    watched = {
        "tcp_keepalives_idle": idle,
        "tcp_keepalives_interval": interval,
        "tcp_keepalives_count": count,
        "tcp_user_timeout": silence_seconds * 1000,
        "idle_in_transaction_session_timeout": lease_seconds * 1000,
    }
    return {
        "connect_timeout": 5,
        "keepalives_idle": idle,
        "keepalives_interval": interval,
        "keepalives_count": count,
        "tcp_user_timeout": silence_seconds * 1000,
        # The server's end. In the address of the database, `?options=` takes the place of these.
        "options": " ".join(f"-c {name}={value}" for name, value in watched.items()),
        # They open when they are needed. One that cannot be opened is given up soon: psycopg's own patience of five
        # minutes doubles its wait up to two, in which a server that is back is not asked.
        "pool": {"min_size": 0, "max_size": connections, "timeout": 5, "reconnect_timeout": 5},
    }
