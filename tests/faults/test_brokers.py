"""What happens to the queue happens to nobody's photo: uploads are accepted, and done when the broker is back."""

import itertools
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.installation import Installation, signal_all
from tests.pictures import small_copy
from tests.redis_server import RedisServer

pytestmark = pytest.mark.usefixtures("photos_folder")

#: Seconds within which an upload must be answered, whatever the broker does: far more than it takes.
ANSWERED = 5
_numbers = itertools.count(1)


class Site:
    """An installation with a broker that tests may break."""

    def __init__(self, running: Installation, redis: RedisServer | None = None) -> None:
        self.running = running
        self._redis = redis
        self.token = running.token("uma", "manager")

    @property
    def redis(self) -> RedisServer:
        assert self._redis is not None
        return self._redis

    @property
    def queue_files(self) -> list[Path]:
        return sorted(self.running.data_dir.glob("queue.sqlite3*"))

    def uploaded(self, count: int = 3) -> list[dict[str, Any]]:
        """Upload photos; each is accepted at once."""
        accepted = []
        for _ in range(count):
            started = time.monotonic()
            photo = small_copy(number=next(_numbers))
            answer = self.running.upload("/api/v1/photos/", photo, token=self.token)
            assert answer.status == 202, answer.body
            assert time.monotonic() - started < ANSWERED
            accepted.append(answer.json())
        return accepted

    def all_done(self, photos: list[dict[str, Any]]) -> bool:
        """Wait for photos; return whether all are done."""
        stages = {self.running.finished(photo, token=self.token)["stage"] for photo in photos}
        return stages == {"done"}

    def is_broker_up(self) -> bool:
        """Return what the metrics say, which are answered whatever the broker does, and count its messages if it is."""
        started = time.monotonic()
        answer = self.running.get("/metrics", token=self.token)
        assert answer.status == 200
        assert time.monotonic() - started < ANSWERED
        lines = answer.body.decode().splitlines()
        counted = sum(line.startswith("facewatch_queue_messages{") for line in lines)
        is_up = "facewatch_broker_up 1.0" in lines
        assert is_up != ("facewatch_broker_up 0.0" in lines)
        assert counted == (3 if is_up else 0)
        return is_up

    def kill_workers(self) -> None:
        """Kill the consumer with all its workers; the supervisor starts another."""
        processes = self.running.processes()
        workers = {pid: line for pid, line in processes.items() if "manage.py worker" in line}
        signal_all(workers, signal.SIGKILL)

    def log(self) -> str:
        return "\n".join(self.running.lines)


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """On SqliteHuey."""
    if servers.ARE_USED:
        pytest.skip("it is about a queue that is a file")
    folder = tmp_path_factory.mktemp("embedded")
    running = Installation(folder / "data", FACEWATCH_SWEEP_SECONDS="1").start()
    yield Site(running)
    assert running.stop() == 0


@pytest.fixture(scope="module")
def networked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """On a Redis of its own."""
    folder = tmp_path_factory.mktemp("networked")
    with RedisServer() as redis:
        running = Installation(
            folder / "data", FACEWATCH_SWEEP_SECONDS="1", REDIS_URL=redis.url
        ).start()
        yield Site(running, redis)
        assert running.stop() == 0


def test_a_deleted_queue_file(embedded: Site) -> None:
    photos = embedded.uploaded()
    for file in embedded.queue_files:
        file.unlink()
    photos += embedded.uploaded()
    assert embedded.all_done(photos)


def test_a_queue_file_deleted_before_a_worker_is_started_again(embedded: Site) -> None:
    embedded.kill_workers()
    for file in embedded.queue_files:
        file.unlink()
    assert embedded.all_done(embedded.uploaded())


def test_a_damaged_queue_file(embedded: Site) -> None:
    photos = embedded.uploaded()
    assert embedded.all_done(photos), "no worker is killed with a photo in its hands"
    for name in ("queue.sqlite3", "queue.sqlite3-wal"):
        path = embedded.running.data_dir / name
        with path.open("r+b") as file:
            file.write(b"\x01no database" * (path.stat().st_size // 12))
    photos += embedded.uploaded()
    assert embedded.all_done(photos)
    assert "set aside as" in embedded.log()
    assert len(list(embedded.running.data_dir.glob("queue.corrupt-*"))) == 1


def test_a_locked_queue_file(embedded: Site) -> None:
    holder = sqlite3.connect(embedded.running.data_dir / "queue.sqlite3")
    holder.execute("BEGIN IMMEDIATE")
    photos = embedded.uploaded(1)
    holder.rollback()
    holder.close()
    assert embedded.all_done(photos)


def test_a_broker_that_is_down(networked: Site) -> None:
    networked.redis.kill()
    photos = networked.uploaded()
    assert networked.running.get("/readyz").status == 503
    assert "The queue takes no messages" in networked.log()
    assert not networked.is_broker_up()
    networked.redis.start()
    assert networked.is_broker_up()
    assert networked.all_done(photos)


def test_a_broker_that_hangs(networked: Site) -> None:
    networked.redis.hang()
    photos = networked.uploaded(6)
    assert not networked.is_broker_up()
    networked.redis.go_on()
    assert networked.all_done(photos)


def test_a_broker_that_was_emptied(networked: Site) -> None:
    photos = networked.uploaded()
    networked.redis.client.flushall()
    assert networked.all_done(photos)


def test_a_broker_without_memory(networked: Site) -> None:
    networked.redis.client.config_set("maxmemory", "1")
    photos = networked.uploaded()
    assert "The queue takes no messages" in networked.log()
    networked.redis.client.config_set("maxmemory", "0")
    assert networked.all_done(photos)


def test_a_broker_that_crashed_and_came_back_empty(networked: Site) -> None:
    photos = networked.uploaded()
    networked.redis.kill()
    networked.redis.start()
    photos += networked.uploaded()
    assert networked.all_done(photos)


def test_a_broker_that_is_away_does_not_flood_the_log(networked: Site) -> None:
    networked.redis.kill()
    before = len(networked.running.lines)
    time.sleep(5)
    assert len(networked.running.lines) - before < 20, networked.log()
    networked.redis.start()
