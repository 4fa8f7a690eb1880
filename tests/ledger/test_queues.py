"""Messages are small JSON, in order of priority; a broken queue loses nobody's photo."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import transaction

from ledger import queues
from ledger.queues import JsonSerializer, open_queue
from recognition import tasks
from tests.installation import free_port

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


def test_a_corrupt_queue_file_is_set_aside_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    queue = open_queue(redis_url="", path=path)
    assert queue.storage.queue_size() == 0
    assert [file.read_bytes()[:7] for file in tmp_path.glob("*.corrupt-*")] == [b"this is"]


def test_a_folder_that_is_not_there_is_no_corrupt_file(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        open_queue(redis_url="", path=tmp_path / "missing" / "queue.sqlite3")


def test_a_dead_broker_fails_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = open_queue(redis_url=f"redis://127.0.0.1:{free_port()}/0", path=Path("unused"))

    @dead.task()  # type: ignore[untyped-decorator]  # Huey has no types
    def never(row_id: str) -> None:
        raise AssertionError("nobody takes this")

    with monkeypatch.context() as patch:
        patch.setattr(queues, "huey", dead)
        queues._enqueue(never, "1", 0)
    assert "Could not enqueue never 1" in caplog.text
