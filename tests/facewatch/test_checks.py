"""What an installation stands on: engines that do not fit together are named, with what to do."""

from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from ledger import queues
from ledger.queues import open_queue
from tests.ports import free_port
from tests.redis_server import RedisServer


def found(*, deploy: bool = False) -> list[str]:
    """The ids of what this app's checks find, each with a hint."""
    messages = [
        one
        for one in run_checks(include_deployment_checks=deploy)
        if str(one.id).startswith("facewatch.")
    ]
    assert all(one.hint for one in messages)
    return [str(one.id) for one in messages]


@pytest.fixture
def on_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Takes the address of a Redis for the queue's."""

    def use(url: str) -> None:
        settings.REDIS_URL = url
        monkeypatch.setattr(queues, "huey", open_queue(redis_url=url, path=settings.QUEUE_PATH))

    return use


@pytest.fixture
def on_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Has the settings name another engine; nothing connects to it."""
    return lambda engine: monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)


def test_what_is_tested_on_is_in_order() -> None:
    assert found() == []


def test_another_database_is_an_error(on_database: Any) -> None:
    on_database("django.db.backends.mysql")
    assert found() == ["facewatch.E001"]


@pytest.mark.parametrize("url", ["http://redis:6379", "redis:6379"])
def test_what_is_no_redis_is_an_error(settings: Settings, url: str) -> None:
    settings.REDIS_URL = url
    assert found() == ["facewatch.E002"]


def test_a_shared_queue_beside_a_database_that_cannot_be_shared(
    on_database: Any, on_redis: Any
) -> None:
    on_database("django.db.backends.sqlite3")
    with RedisServer(appendonly="yes") as redis:
        on_redis(redis.url)
        assert found(deploy=True) == ["facewatch.W001"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"appendonly": "yes"}, []),
        ({}, ["facewatch.W004"]),
        ({"appendonly": "yes", "maxmemory_policy": "allkeys-lru"}, ["facewatch.W003"]),
    ],
)
def test_a_redis_that_loses_messages(
    on_database: Any, on_redis: Any, options: dict[str, str], says: list[str]
) -> None:
    on_database("django.db.backends.postgresql")
    with RedisServer(**options) as redis:
        on_redis(redis.url)
        assert found(deploy=True) == says


def test_a_redis_that_does_not_answer(on_database: Any, on_redis: Any) -> None:
    on_database("django.db.backends.postgresql")
    on_redis(f"redis://127.0.0.1:{free_port()}/0")
    assert found(deploy=True) == ["facewatch.W002"]
