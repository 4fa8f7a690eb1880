"""The queue of wake-ups: SqliteHuey beside the database, or Redis when REDIS_URL is set.

A message says "look at row N now". It may be lost (Huey deletes a message when it is taken, so a killed worker loses
it) and may come twice; the rows are the truth and `ledger.sweep` wakes what was forgotten.
"""

import fcntl
import json
import logging
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from huey import Huey, PriorityRedisHuey, SqliteHuey
from huey.api import TaskWrapper
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import SqliteStorage
from redis import ConnectionPool
from redis.exceptions import ResponseError

logger = logging.getLogger(__name__)

#: Priorities: a person waits for a search; periodic jobs are cheap; what is half done comes before what is new.
SEARCH, PERIODIC, DELIVER, RECOGNISE, DETECT, BULK = 100, 90, 80, 50, 40, 10
#: Seconds within which a broker must answer before an enqueue is given up; the sweep makes up for it.
BROKER_TIMEOUT = 1.0
#: Seconds for which a broker that failed is not tried again by this process.
BREAK_SECONDS = 5


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


class Breaker:
    """Leaves a broker alone for a while after it failed, so that not every upload waits for a broker that hangs."""

    def __init__(self) -> None:
        self._until = 0.0

    def is_open(self) -> bool:
        """Return whether the broker is left alone now."""
        return time.monotonic() < self._until

    def trip(self) -> None:
        """Leave the broker alone from now on, for BREAK_SECONDS."""
        self._until = time.monotonic() + BREAK_SECONDS

    def reset(self) -> None:
        """Try the broker again at once."""
        self._until = 0.0


def open_queue(*, redis_url: str, path: Path) -> Huey:
    """Return the Huey instance."""
    if redis_url:
        pool = ConnectionPool.from_url(
            redis_url, socket_timeout=BROKER_TIMEOUT, socket_connect_timeout=BROKER_TIMEOUT
        )
        # A blocking read would run into the socket's own time-out.
        return PriorityRedisHuey(
            "facewatch",
            connection_pool=pool,
            blocking=False,
            results=False,
            serializer=JsonSerializer(),
        )
    return SqliteHuey(
        "facewatch",
        storage_class=QueueFile,
        filename=str(path),
        timeout=BROKER_TIMEOUT,
        results=False,
        serializer=JsonSerializer(),
    )


breaker = Breaker()
huey = open_queue(redis_url=settings.REDIS_URL, path=settings.QUEUE_PATH)


def wake(task: TaskWrapper, row_id: object, *, priority: int = 0) -> None:
    """Enqueue a task for a row once the transaction commits; `priority` is added to the task's own.

    A dead broker is logged and fails nobody: the sweep wakes the row later.
    """
    transaction.on_commit(partial(_enqueue, task, str(row_id), priority), robust=True)


def _enqueue(task: TaskWrapper, row_id: str, priority: int) -> None:
    if breaker.is_open():
        return
    own = task.task_class.default_priority or 0
    try:
        huey.enqueue(task.s(row_id, priority=max(0, own + priority)))
    except Exception as error:  # noqa: BLE001 (every storage raises its own kind; none may fail the caller)
        breaker.trip()
        logger.warning(
            "The queue takes no messages (%s); the sweep wakes what comes within %d s",
            error,
            BREAK_SECONDS,
        )


def advice() -> str:
    """Return what is set up wrongly in the broker, in a line; nothing if all is well. Raises RedisError."""
    policy = _configured("maxmemory-policy")
    if policy in ("", "noeviction"):
        return ""
    return f"Redis drops messages when its memory is full (maxmemory-policy {policy}): set it to noeviction."


def is_kept() -> bool:
    """Return whether messages outlive a crash of the broker, or nobody can know. Raises RedisError."""
    return _configured("appendonly") != "no"


def _configured(name: str) -> str:
    """Return a setting of the Redis; an empty text where there is none, or it does not tell."""
    if not isinstance(huey, PriorityRedisHuey):
        return ""
    try:
        return str(huey.storage.conn.config_get(name).get(name) or "")
    except ResponseError:
        # Hosted ones keep their configuration to themselves.
        return ""


def length() -> int:
    """Return how many messages wait."""
    return int(huey.storage.queue_size())
