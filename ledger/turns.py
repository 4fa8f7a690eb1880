"""Threads of one process that write to SQLite take turns."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from django.db import connection, transaction

_turn = threading.Lock()


@contextmanager
def writing() -> Iterator[None]:
    """Give a transaction; on SQLite after the other threads of this process that wait here.

    SQLite lets one write at a time, and who finds it busy sleeps for up to 0.1 s before looking again, however short
    the other's turn was: of 16 uploads at once some waited five times as long as the median.
    """
    # Who is within a transaction already may hold what the others wait for.
    alone = connection.vendor == "sqlite" and not connection.in_atomic_block
    with _turn if alone else nullcontext(), transaction.atomic():
        yield
