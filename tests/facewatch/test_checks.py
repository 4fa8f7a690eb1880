"""What an installation stands on: engines that do not fit together are named, with what to do."""

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from facewatch import checks, storage_address
from ledger import queues
from ledger.queues import open_queue
from tests.ports import free_port
from tests.redis_server import RedisServer
from tests.s3_server import S3Server
from tests.storages import Use


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
def on_redis(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Takes the address of a Redis for the queue's, and shares the photos as well."""

    def use(url: str) -> None:
        settings.STORAGE = storage_address.parse(f"file://{tmp_path}")
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


def told(check: str, *, deploy: bool = False) -> str:
    """What a check says, by its id, and what to do."""
    (message,) = [
        one
        for one in run_checks(include_deployment_checks=deploy)
        if one.id == f"facewatch.{check}"
    ]
    return f"{message.msg} {message.hint}"


@pytest.mark.parametrize("url", ["gs://faces", "s3://key:hunter2@", "file://mnt/faces"])
def test_a_storage_that_nobody_can_find_is_an_error(settings: Settings, url: str) -> None:
    settings.STORAGE = storage_address.read(url)
    assert found() == ["facewatch.E020"]
    assert "hunter2" not in told("E020")


def test_a_shared_folder_that_is_there_is_in_order(use_storage: Use, tmp_path: Path) -> None:
    use_storage(f"file://{tmp_path}")
    assert found() == []
    assert list(tmp_path.iterdir()) == []


def test_a_shared_folder_that_is_not_mounted_is_an_error(use_storage: Use, tmp_path: Path) -> None:
    use_storage(f"file://{tmp_path}/photos")
    assert found() == ["facewatch.E021"]
    assert f"{tmp_path}/photos" in told("E021")


def test_a_shared_folder_that_cannot_be_written_to_is_an_error(use_storage: Use) -> None:
    # Not even root can.
    use_storage("file:///proc/self")
    assert found() == ["facewatch.E022"]


def test_a_shared_folder_that_is_a_mount_itself_is_warned_of(
    use_storage: Use, small_disk: Any
) -> None:
    folder = small_disk(megabytes=1)
    use_storage(f"file://{folder}")
    assert "facewatch.W022" in found(deploy=True)
    (folder / "photos").mkdir()
    use_storage(f"file://{folder}/photos")
    assert "facewatch.W022" not in found(deploy=True)


def test_pictures_that_nginx_cannot_send_are_an_error(settings: Settings) -> None:
    settings.STORAGE = storage_address.parse("s3://faces")
    settings.ACCEL = "/media-internal/"
    assert found() == ["facewatch.E023"]


def test_photos_that_other_machines_do_not_see_are_warned_of(
    on_database: Any, on_redis: Any, settings: Settings
) -> None:
    on_database("django.db.backends.postgresql")
    with RedisServer(appendonly="yes") as redis:
        on_redis(redis.url)
        settings.STORAGE = storage_address.parse("")
        assert found(deploy=True) == ["facewatch.W020"]


def test_a_bucket_that_can_be_used_is_in_order(s3: S3Server, use_storage: Use) -> None:
    before = s3.names()
    use_storage(s3.url())
    assert "facewatch.W021" not in found(deploy=True)
    assert s3.names() == before


def test_a_bucket_that_is_missing_is_warned_of(s3: S3Server, use_storage: Use) -> None:
    use_storage(s3.url(bucket="another"))
    assert "facewatch.W021" in found(deploy=True)
    assert "NoSuchBucket" in told("W021", deploy=True)


def test_a_storage_that_does_not_answer_is_warned_of_without_its_keys(use_storage: Use) -> None:
    use_storage(f"s3://key:hunter2@faces?endpoint=http://127.0.0.1:{free_port()}")
    assert "facewatch.W021" in found(deploy=True)
    assert "hunter2" not in told("W021", deploy=True)


def test_a_sqlite_that_is_too_old_is_named(on_database: Any) -> None:
    on_database("django.db.backends.sqlite3")
    assert [one.id for one in checks.check_sqlite(version=(3, 34, 1))] == ["facewatch.E003"]
    assert checks.check_sqlite(version=(3, 35, 0)) == []
    on_database("django.db.backends.postgresql")
    assert checks.check_sqlite(version=(3, 34, 1)) == []
