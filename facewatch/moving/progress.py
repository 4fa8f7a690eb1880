"""What long work tells while it goes on, and how what cannot be done is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.core.management.base import CommandError
from django.db import DatabaseError, connection
from rich.console import Console

from facewatch.moving import MovingError
from facewatch.moving.rows import Tick
from ledger import serve, workers
from recognition.progress import bar


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Told how many rows, and how many files, there are to be copied in all, and how many more of them were."""

    rows_in_all: Tick
    rows: Tick
    files_in_all: Tick
    files: Tick


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """Show bars of rows and of files, each once it is known how many there are."""
    with bar(console) as bars:
        rows, files = (bars.add_task(name, total=None, visible=False) for name in ("rows", "files"))
        yield Progress(
            rows_in_all=lambda count: bars.update(rows, total=count, visible=True),
            rows=lambda count: bars.advance(rows, count),
            files_in_all=lambda count: bars.update(files, total=count, visible=True),
            files=lambda count: bars.advance(files, count),
        )


@contextmanager
def in_one_line() -> Iterator[None]:
    """Make what cannot be done, and what a disk or a database refuses, a line instead of a traceback."""
    try:
        yield
    except MovingError as error:
        raise CommandError(str(error)) from error
    except DatabaseError as error:
        line = " ".join(str(error).split())
        raise CommandError(f"The database refuses ({line}). The same call goes on.") from error
    except OSError as error:
        raise CommandError(f"{error}. What is copied is kept; the same call goes on.") from error


@contextmanager
def standing_still(folder: Path) -> Iterator[bool]:
    """Give whether Facewatch is stopped on this data; if it is, it cannot be started meanwhile."""
    try:
        lock = serve.lock(folder)
    except serve.CannotServe:
        yield False
        return
    with lock:
        has_tables = "ledger_worker" in connection.introspection.table_names()
        yield not (has_tables and workers.alive())
