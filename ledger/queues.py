"""The queues of wake-ups, one for each kind of work: SqliteHuey beside the database, or Redis when REDIS_URL is set.

A message says "look at row N now". It may be lost (Huey deletes a message when it is taken, so a killed worker loses
it) and may come twice; the rows are the truth and `ledger.sweep` wakes what was forgotten. Workers may take one kind of
work or several; of several queues they take the most urgent message.
"""

import logging
import sqlite3
import time
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from huey import Huey
from huey.api import TaskWrapper
from huey.constants import EmptyData
from huey.registry import Registry
from huey.storage import BaseStorage, PriorityRedisStorage
from redis import ConnectionPool
from redis.exceptions import RedisError, ResponseError

from ledger.queuefile import JsonSerializer, QueueFile

logger = logging.getLogger(__name__)

#: The kinds of work: finding faces, and what comes before; recognising, searching and looking back; telling people.
NAMES = ("detect", "recognise", "deliver")
#: Before the name in the broker, which others may use as well.
PREFIX = "facewatch-"
#: Priorities: a person waits for a search; periodic jobs are cheap; what is half done comes before what is new.
SEARCH, PERIODIC, DELIVER, RECOGNISE, DETECT, BULK = 100, 90, 80, 50, 40, 10
#: Seconds within which a broker must answer before an enqueue is given up; the sweep makes up for it.
BROKER_TIMEOUT = 1.0
#: What the storages raise when theirs does not answer.
AWAY = (RedisError, sqlite3.Error, OSError)
#: Seconds for which a broker that failed is not tried again by this process.
BREAK_SECONDS = 5


#: All tasks, whatever their queue.
TASKS = Registry()


#: Takes the message with the lowest score, which is the most urgent, of several queues; of equals the first queue's.
TAKE = """
local lowest, where
for _, key in ipairs(KEYS) do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if first[2] and (not lowest or tonumber(first[2]) < lowest) then
        lowest, where = tonumber(first[2]), key
    end
end
return where and redis.call('ZPOPMIN', where)[1]
"""
#: Bytes before a message, by which Huey keeps messages of one priority in order.
PREFIX_BYTES = 8


class RedisQueue(PriorityRedisStorage):
    """Huey's, which takes of others on the same Redis as well: asking each costs an answer of its own."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._take = self.conn.register_script(TAKE)

    def urgency(self) -> float | None:
        """Return the priority of the message that comes next; None if there is none."""
        found = self.conn.zrange(self.queue_key, 0, 0, withscores=True)
        return -float(found[0][1]) if found else None

    def dequeue_of(self, queues: Sequence["RedisQueue"]) -> bytes | None:
        """Take the most urgent message of these queues."""
        message: bytes | None = self._take(keys=[one.queue_key for one in queues])
        return message[PREFIX_BYTES:] if message else None


class Queue(Huey):
    """One queue, whose tasks know whose they are; all queues know the tasks of all."""

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, results=False, serializer=JsonSerializer(), **settings)
        self._registry = TASKS

    @property
    def kind(self) -> str:
        """The kind of work, one of NAMES."""
        return str(self.name).removeprefix(PREFIX)

    def task(self, *args: Any, **settings: Any) -> Any:
        return super().task(*args, queue=self.kind, **settings)

    def periodic_task(self, *args: Any, **settings: Any) -> Any:
        return super().periodic_task(*args, queue=self.kind, **settings)


class Together(BaseStorage):
    """Several queues as one."""

    def __init__(self, name: str, *, storages: Sequence[Any]) -> None:
        super().__init__(name)
        self.storages = storages

    def dequeue(self) -> bytes | None:
        """Take the most urgent message of all, unless somebody else was faster."""
        if isinstance(first := self.storages[0], RedisQueue):
            return first.dequeue_of(self.storages)
        waiting = [
            (urgency, one) for one in self.storages if (urgency := one.urgency()) is not None
        ]
        for _, storage in sorted(waiting, key=lambda found: -found[0]):
            message: bytes | None = storage.dequeue()
            if message is not None:
                return message
        return None

    def queue_size(self) -> int:
        return sum(int(one.queue_size()) for one in self.storages)

    def read_schedule(self, ts: object) -> list[bytes]:
        """Return nothing: when a row is tried again stands in the row."""
        return []

    def peek_data(self, key: object) -> object:
        """Return that there is nothing: no message is ever revoked, and no result kept."""
        return EmptyData

    pop_data = peek_data

    def flush_all(self) -> None:
        for one in self.storages:
            one.flush_all()

    def close(self) -> None:
        for one in self.storages:
            one.close()


class Queues(Huey):
    """Several queues, of which a consumer takes; a task goes to its own."""

    def __init__(self, queues: Sequence[Queue]) -> None:
        self._queues = {one.kind: one for one in queues}
        super().__init__(
            "facewatch",
            storage_class=Together,
            storages=[one.storage for one in queues],
            results=False,
            serializer=JsonSerializer(),
        )
        self._registry = TASKS

    def enqueue(self, task: Any) -> None:
        self._queues[task.queue].enqueue(task)


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


def open_queue(*, redis_url: str, path: Path, name: str = NAMES[0]) -> Queue:
    """Return the Huey instance of one queue."""
    if redis_url:
        pool = ConnectionPool.from_url(
            redis_url, socket_timeout=BROKER_TIMEOUT, socket_connect_timeout=BROKER_TIMEOUT
        )
        # A blocking read would run into the socket's own time-out.
        where: dict[str, Any] = {
            "storage_class": RedisQueue,
            "connection_pool": pool,
            "blocking": False,
        }
    else:
        where = {"storage_class": QueueFile, "filename": str(path), "timeout": BROKER_TIMEOUT}
    return Queue(PREFIX + name, **where)


breaker = Breaker()
detect, recognise, deliver = QUEUES = [
    open_queue(redis_url=settings.REDIS_URL, path=settings.QUEUE_PATH, name=name) for name in NAMES
]
#: All of them.
huey = Queues(QUEUES)


def take(names: Collection[str]) -> Huey:
    """Return what a worker of these queues takes from. Raises ValueError for a name that is none."""
    if unknown := sorted(set(names) - set(NAMES)):
        raise ValueError(f"There is no queue {', '.join(unknown)}: there are {', '.join(NAMES)}.")
    return (
        huey if set(names) == set(NAMES) else Queues([one for one in QUEUES if one.kind in names])
    )


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
    storage = huey.storage.storages[0] if isinstance(huey.storage, Together) else huey.storage
    if not isinstance(storage, RedisQueue):
        return ""
    try:
        return str(storage.conn.config_get(name).get(name) or "")
    except ResponseError:
        # Hosted ones keep their configuration to themselves.
        return ""


def length(name: str = "") -> int:
    """Return how many messages wait, in one queue or in all."""
    for one in QUEUES:
        if one.kind == name:
            return int(one.storage.queue_size())
    return int(huey.storage.queue_size())


def lengths() -> dict[str, int] | None:
    """Return how many messages wait in each queue; None if the broker does not answer."""
    try:
        return {name: length(name) for name in NAMES}
    except AWAY:
        return None
