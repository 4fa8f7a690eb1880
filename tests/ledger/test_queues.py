"""Messages are small JSON, in order of priority; a broken queue loses nobody's photo."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from huey import Huey
from huey.api import TaskWrapper
from redis.exceptions import RedisError

from alerts import tasks as alert_tasks
from ledger import queues
from ledger.logs import Seldom
from ledger.queuefile import JsonSerializer
from ledger.queues import open_queue
from recognition import tasks
from tests.ports import free_port
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("empty_queue")


def test_a_message_is_json_and_comes_back_the_same() -> None:
    task = tasks.detect_faces.s("0f", priority=7, expires=datetime(2030, 1, 1, tzinfo=UTC))
    task.resolve_expires()
    message = queues.huey._registry.create_message(task)
    data = JsonSerializer().serialize(message)
    assert json.loads(data)["args"] == ["0f"]
    again = JsonSerializer().deserialize(data)
    assert (again.id, again.priority, again.expires_resolved) == (task.id, 7, task.expires_resolved)


def test_a_pickle_planted_in_the_queue_is_not_run() -> None:
    with pytest.raises(json.JSONDecodeError):
        JsonSerializer().deserialize(b"cos\nsystem\n(S'true'\ntR.")


@pytest.mark.django_db(transaction=True)
def test_the_most_urgent_message_is_taken_first() -> None:
    queues.wake(tasks.detect_faces, 1, priority=-30)
    queues.wake(tasks.detect_faces, 2)
    queues.wake(tasks.recognise_faces, 3)
    queues.wake(tasks.answer_search, 4)
    assert [queues.huey.dequeue().args[0] for _ in range(4)] == ["4", "3", "2", "1"]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_woken_when_the_transaction_rolls_back() -> None:
    with transaction.atomic():
        queues.wake(tasks.detect_faces, 1)
        transaction.set_rollback(True)
    assert queues.length() == 0


def damage(path: Path) -> None:
    """Overwrite the file in place, as a broken disk does: processes that hold it go on holding it."""
    with path.open("r+b") as file:
        file.write(b"this is no database" * 500)


def filled(queue: Huey, count: int) -> Huey:
    for _ in range(count):
        queue.storage.enqueue(b"x")
    return queue


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue.sqlite3"


def test_a_corrupt_queue_file_is_set_aside_and_replaced(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)
    queue = open_queue(redis_url="", path=path)
    assert queue.storage.queue_size() == 0
    assert [file.read_bytes()[:7] for file in path.parent.glob("*.corrupt-*")] == [b"this is"]


def test_a_folder_that_is_not_there_is_no_corrupt_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_queue(redis_url="", path=tmp_path / "missing" / "queue.sqlite3")


def test_a_file_that_is_deleted_while_in_use_is_made_anew_for_all_who_use_it(path: Path) -> None:
    web, sweeper = (filled(open_queue(redis_url="", path=path), 1) for _ in range(2))
    for file in path.parent.glob("queue.sqlite3*"):
        file.unlink()
    filled(web, 3)
    assert sweeper.storage.queue_size() == 3
    assert sweeper.storage.dequeue() == b"x"
    assert web.storage.queue_size() == 2
    assert open_queue(redis_url="", path=path).storage.queue_size() == 2


def test_a_file_that_is_damaged_while_in_use_is_replaced_for_all_who_use_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    web, sweeper = (filled(open_queue(redis_url="", path=path), 1) for _ in range(2))
    web.storage.close()
    damage(path)
    for queue in (web, sweeper):
        # The call that meets the damage may fail; the next one finds a new file.
        with suppress(sqlite3.DatabaseError):
            queue.storage.queue_size()
    filled(web, 3)
    assert sweeper.storage.queue_size() == 3
    assert len(list(path.parent.glob("*.corrupt-*"))) == 1
    assert caplog.text.count("is damaged; set aside as") == 1


def test_a_file_that_is_emptied_while_in_use_is_filled_again(path: Path) -> None:
    queue = filled(open_queue(redis_url="", path=path), 3)
    queue.storage.close()
    path.write_bytes(b"")
    assert queue.storage.queue_size() == 0
    assert filled(queue, 1).storage.queue_size() == 1


def test_many_processes_that_meet_a_deleted_file_agree_on_one(path: Path) -> None:
    for file in path.parent.glob("queue.sqlite3*"):
        file.unlink()
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: filled(open_queue(redis_url="", path=path), 5), range(8)))
    assert [queue.storage.queue_size() for queue in opened] == [40] * 8


@contextmanager
def instead(queue: Huey) -> Iterator[None]:
    """Let everything go to another queue for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queues, "huey", queue)
        yield


@pytest.fixture
def dead() -> Iterator[TaskWrapper]:
    """A task of a queue whose broker is not there."""
    queue = open_queue(redis_url=f"redis://127.0.0.1:{free_port()}/0", path=Path("unused"))

    @queue.task()  # type: ignore[untyped-decorator]  # Huey has no types
    def never(row_id: str) -> None:
        raise AssertionError("nobody takes this")

    with instead(queue):
        yield never
    never.unregister()


def test_a_dead_broker_fails_nobody_and_is_left_alone_for_a_while(
    dead: TaskWrapper, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        queues._enqueue(dead, "1", 0)
    assert caplog.text.count("The queue takes no messages") == 1
    queues.breaker.reset()
    queues._enqueue(dead, "1", 0)
    assert caplog.text.count("The queue takes no messages") == 2


def test_what_a_dead_broker_drops_is_not_known(dead: TaskWrapper) -> None:
    with pytest.raises(RedisError):
        queues.advice()


@pytest.mark.parametrize(
    ("policy", "says"), [("noeviction", ""), ("allkeys-lru", "set it to noeviction")]
)
def test_a_redis_that_drops_messages_is_said(policy: str, says: str) -> None:
    with RedisServer(maxmemory_policy=policy) as redis:
        queue = open_queue(redis_url=redis.url, path=Path("unused"))
        with instead(queue):
            advice = queues.advice()
    assert says in advice
    assert bool(says) == bool(advice)


def test_redis_keeps_the_order_of_priority_and_counts() -> None:
    with RedisServer() as redis:
        queue = open_queue(redis_url=redis.url, path=Path("unused"))
        for priority in (10, 50, 40):
            queue.storage.enqueue(str(priority).encode(), priority)
        assert queue.storage.queue_size() == 3
        assert [queue.storage.dequeue() for _ in range(4)] == [b"50", b"40", b"10", None]


def refused(seldom: Seldom) -> str | None:
    record = logging.LogRecord("huey", logging.ERROR, "", 0, "Error reading from queue", (), None)
    record.exc_info = (OSError, OSError("gone"), None)
    return logging.Formatter().format(record) if seldom.filter(record) else None


def test_a_line_is_written_once_within_a_while_and_without_its_traceback() -> None:
    seldom = Seldom()
    assert [refused(seldom) for _ in range(3)] == ["Error reading from queue gone", None, None]
    assert all(refused(often) for often in [Seldom(seconds=0)] for _ in range(2))


@pytest.mark.django_db(transaction=True)
def test_each_kind_of_work_has_a_queue_and_who_takes_several_takes_the_most_urgent() -> None:
    queues.wake(tasks.detect_faces, 1)
    queues.wake(alert_tasks.deliver, 2)
    queues.wake(tasks.recognise_faces, 3)
    queues.wake(tasks.answer_search, 4)
    queues.wake(tasks.look_back, 5)
    assert {name: queues.length(name) for name in queues.NAMES} == {
        "detect": 1,
        "recognise": 3,
        "deliver": 1,
    }
    assert queues.take(["detect"]).dequeue().args[0] == "1"
    assert queues.take(["detect"]).dequeue() is None
    pair = queues.take(["recognise", "deliver"])
    assert [pair.dequeue().args[0] for _ in range(4)] == ["4", "2", "3", "5"]


def test_a_queue_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"no queue letters: there are detect, recognise, deliver"):
        queues.take(["detect", "letters"])
    with pytest.raises(CommandError, match="no queue letters"):
        call_command("worker", "--queues", "letters")


def test_redis_tells_how_urgent_the_next_message_is() -> None:
    with RedisServer() as redis:
        queue = open_queue(redis_url=redis.url, path=Path("unused"))
        assert queue.storage.urgency() is None
        for priority in (10, 50):
            queue.storage.enqueue(b"x", priority)
        assert queue.storage.urgency() == 50
