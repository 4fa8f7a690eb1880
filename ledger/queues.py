"""The queue of wake-ups: SqliteHuey beside the database, or Redis when REDIS_URL is set.

A message says "look at row N now". It may be lost (Huey deletes a message when it is taken, so a killed worker loses
it) and may come twice; the rows are the truth and `ledger.sweep` wakes what was forgotten.
"""

import json
import logging
import os
import sqlite3
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

logger = logging.getLogger(__name__)

#: Priorities: a person waits for a search; periodic jobs are cheap; what is half done comes before what is new.
SEARCH, PERIODIC, DELIVER, RECOGNISE, DETECT, BULK = 100, 90, 80, 50, 40, 10
#: Seconds within which a broker must answer before an enqueue is given up; the sweep makes up for it.
BROKER_TIMEOUT = 1.0


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
    """Huey's SQLite storage with synchronous=NORMAL: the queue may lose its last messages with the power, and be fast.

    FULL stalled enqueues for up to 4 s under four producers, NORMAL for 0.08 s.
    """

    def _create_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = super()._create_connection()
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection


def open_queue(*, redis_url: str, path: Path) -> Huey:
    """Return the Huey instance. A corrupt queue file is set aside and replaced: the rows bring its content back."""
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
    options: dict[str, Any] = {"results": False, "serializer": JsonSerializer()}
    try:
        return SqliteHuey("facewatch", storage_class=QueueFile, filename=str(path), **options)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        aside = path.with_suffix(f".corrupt-{os.getpid()}")
        logger.error(  # noqa: TRY400 (the operator needs the line, not where it was found)
            "The queue file %s is corrupt (%s); set aside as %s", path, error, aside
        )
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.rename(aside)
        return SqliteHuey("facewatch", storage_class=QueueFile, filename=str(path), **options)


huey = open_queue(redis_url=settings.REDIS_URL, path=settings.QUEUE_PATH)


def wake(task: TaskWrapper, row_id: object, *, priority: int = 0) -> None:
    """Enqueue a task for a row once the transaction commits; `priority` is added to the task's own.

    A dead broker is logged and fails nobody: the sweep wakes the row later.
    """
    transaction.on_commit(partial(_enqueue, task, str(row_id), priority), robust=True)


def _enqueue(task: TaskWrapper, row_id: str, priority: int) -> None:
    own = task.task_class.default_priority or 0
    try:
        huey.enqueue(task.s(row_id, priority=max(0, own + priority)))
    except Exception as error:  # noqa: BLE001 (every storage raises its own kind; none may fail the caller)
        logger.warning("Could not enqueue %s %s: %s", task.task_class.__name__, row_id, error)


def length() -> int:
    """Return how many messages wait."""
    return int(huey.storage.queue_size())
