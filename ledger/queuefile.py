"""A queue of Huey's in a SQLite file, and its messages as JSON."""

import fcntl
import json
import logging
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage

logger = logging.getLogger(__name__)


class JsonSerializer(Serializer):
    """Messages as JSON. Pickle would run what a stranger writes into the queue."""

    def _serialize(self, data: Message) -> bytes:
        fields = {name: value for name, value in data._asdict().items() if value is not None}
        return json.dumps(fields, default=datetime.isoformat).encode()

    def _deserialize(self, data: bytes) -> Message:
        fields = json.loads(data)
        if resolved := fields.get("expires_resolved"):
            fields["expires_resolved"] = datetime.fromisoformat(resolved)
        return Message(**{name: fields.get(name) for name in Message._fields})


class QueueFile(SqliteStorage):
    """Huey's SQLite storage on a file that may be deleted, replaced or damaged at any time, while processes use it.

    synchronous=NORMAL: the queue may lose its last messages with the power, and is fast. FULL stalled enqueues for up
    to 4 s under four producers, NORMAL for 0.08 s.
    """

    #: Device and inode of the file that the connection is open on.
    _file: tuple[int, int] | None = None
    _conn: sqlite3.Connection | None

    @property
    def _path(self) -> Path:
        return Path(self.filename)

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection to the file that is at the path now."""
        held = self._conn
        if held is None or self._file != _identity(self._path):
            if held is not None:
                held.close()
            held = self._conn = self._create_connection()
        return held

    @contextmanager
    def db(self, *args: Any, **kwargs: Any) -> Iterator[sqlite3.Cursor]:
        """Give a cursor; on damage set the file aside, so that the next call finds a new one."""
        try:
            with super().db(*args, **kwargs) as cursor:
                yield cursor
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self.close()
                with self._alone():
                    self._replace_damaged()
            raise

    def urgency(self) -> float | None:
        """Return the priority of the message that comes next; None if there is none."""
        query = "SELECT max(priority) FROM task WHERE queue = ?"
        ((found,),) = self.sql(query, (self.name,), results=True)
        return None if found is None else float(found)

    def _create_connection(self) -> sqlite3.Connection:
        with self._alone():
            if not self._path.exists():
                self._remove_logs()
            try:
                return self._connect()
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            self._replace_damaged()
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute("PRAGMA synchronous=NORMAL")
        for statement in self.ddl:
            connection.execute(statement)
        self._file = _identity(self._path)
        return connection

    def _replace_damaged(self) -> None:
        """Set the file aside unless it is sound, which it is when another process was faster."""
        if not self._path.exists() or _is_sound(self._path):
            return
        aside = self._path.with_suffix(f".corrupt-{uuid.uuid4().hex[:8]}")
        logger.error("The queue file %s is damaged; set aside as %s", self._path, aside)
        self._path.rename(aside)
        self._remove_logs()

    def _remove_logs(self) -> None:
        """Remove what belongs to a file that is gone: a new one must not share it with those who hold the old one."""
        for suffix in ("-wal", "-shm"):
            Path(self.filename + suffix).unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from making or replacing the file meanwhile."""
        with Path(self.filename + ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether the error is the file's: not a table, not a database, not readable."""
    return type(error) is sqlite3.DatabaseError or any(
        sign in str(error) for sign in ("no such table", "disk I/O error", "malformed")
    )


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as connection:
            (answer,) = connection.execute("PRAGMA quick_check").fetchone()
            tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'task'")
            return bool(answer == "ok" and tables.fetchone())
    except sqlite3.DatabaseError:
        return False
