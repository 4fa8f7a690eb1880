"""A database that somebody else has locked, or that lacks room, is said as what it is, and nothing is left behind."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError, connection
from django.test import Client

from facewatch import problems
from recognition.models import Photo
from tests import make, programs
from tests.api.conftest import picture, problem, token_client
from tests.databases import only_sqlite

URL = "/api/v1/photos/"

pytestmark = [pytest.mark.django_db(transaction=True), only_sqlite]


@pytest.fixture
def impatient() -> Iterator[None]:
    """A connection that waits a tenth of a second for another writer, instead of 20 s."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout=100")
    yield
    connection.close()


@pytest.fixture
def other_writer(impatient: None) -> Iterator[sqlite3.Connection]:
    """Somebody who holds the database's write lock for as long as they like."""
    other = sqlite3.connect(str(connection.settings_dict["NAME"]), isolation_level=None)
    yield other
    other.close()


def stored_files() -> list[Path]:
    return [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]


def test_an_upload_to_a_locked_database_is_a_503_and_goes_through_afterwards(
    other_writer: sqlite3.Connection,
) -> None:
    uploader = token_client(make.user(role="uploader"))
    before = stored_files()
    other_writer.execute("BEGIN IMMEDIATE")
    answer = uploader.post(URL, {"image": picture()})
    problem(answer, 503, "database_unavailable")
    assert 5 <= int(answer["Retry-After"]) <= 300
    assert uploader.get(URL).json()["results"] == []
    assert stored_files() == before
    other_writer.execute("ROLLBACK")
    assert uploader.post(URL, {"image": picture()}).status_code == 202


@pytest.mark.parametrize("path", ["/login/", "/upload/"])
def test_a_page_that_cannot_write_says_so_with_503(
    other_writer: sqlite3.Connection, path: str
) -> None:
    user = make.user(is_superuser=True)
    client = Client(raise_request_exception=False)
    if path != "/login/":
        client.force_login(user)
    other_writer.execute("BEGIN IMMEDIATE")
    sent = {"username": user.username, "password": "open sesame 42", "image": picture()}
    answer = client.post(path, sent)
    other_writer.execute("ROLLBACK")
    assert answer.status_code == 503
    assert 5 <= int(answer["Retry-After"]) <= 300
    assert answer["Content-Type"].startswith("text/html")
    assert b"The database does not answer" in answer.content
    assert b"Nothing that you uploaded before is lost" in answer.content
    assert not Photo.objects.exists()


def test_a_temporary_file_without_room_is_a_503_page(small_disk: Any, settings: Any) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(make.user(is_superuser=True))
    folder = small_disk(megabytes=1)
    settings.FILE_UPLOAD_TEMP_DIR = folder
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    image = picture()
    image.seek(0, 2)
    image.write(bytes(2_000_000))
    image.seek(0)
    answer = client.post("/upload/", {"image": image})
    assert answer.status_code == 503
    assert b"disk is full" in answer.content
    assert list(folder.iterdir()) == []


def test_a_database_without_room_is_a_full_disk() -> None:
    uploader = token_client(make.user(role="uploader"))
    before = len(stored_files())
    with connection.cursor() as cursor:
        # What earlier tests left free would be room.
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count={cursor.fetchone()[0]}")
    try:
        for number in range(300):
            answer = uploader.post(URL, {"image": picture(size=(40 + number, 30))})
            if answer.status_code != 202:
                break
    finally:
        # The bound is the connection's.
        connection.close()
    problem(answer, 503, "disk_full")
    assert len(stored_files()) - before == Photo.objects.count() == number


def test_a_mistake_in_a_query_is_not_taken_for_an_outage() -> None:
    with connection.cursor() as cursor, pytest.raises(OperationalError) as caught:
        cursor.execute("SELECT nothing FROM nowhere")
    assert problems.handle(caught.value, {}) is None


def test_a_database_that_refuses_connections_is_a_503() -> None:
    answer: Any = problems.handle(OperationalError("connection refused"), {})
    assert answer.status_code == 503
    assert json.loads(answer.content)["code"] == "database_unavailable"


def test_the_address_of_the_database_says_how_long_to_wait_for_other_writers(
    tmp_path: Path,
) -> None:
    program = "from django.conf import settings; print(settings.DATABASES['default']['OPTIONS'])"
    address = f"sqlite:///{tmp_path}/db.sqlite3?timeout=1"
    found = programs.printed(program, FACEWATCH_DATA_DIR=str(tmp_path), DATABASE_URL=address)
    assert "'timeout': 1," in found
    assert "'transaction_mode': 'IMMEDIATE'" in found
