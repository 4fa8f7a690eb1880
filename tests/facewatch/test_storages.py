"""What every storage promises, in the data folder, in a shared folder and in an S3."""

import hashlib
import io
import multiprocessing
import os
import random
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

import pytest
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from facewatch import storage_address
from facewatch.object_storage import BLOCK_BYTES, ObjectStorage
from ledger.leases import StorageUnavailable
from recognition import archives
from recognition.models import Photo
from tests.s3_server import S3Server
from tests.storages import Use

on_any = pytest.mark.usefixtures("any_storage")


def save(name: str, data: bytes = b"pixels") -> str:
    return default_storage.save(name, ContentFile(data))


def read(name: str) -> bytes:
    with default_storage.open(name) as file:
        return bytes(file.read())


class Failing(io.BytesIO):
    """A file whose disk fails after the first bytes."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError("the disk of the sender fails")
        return super().read(4)


@on_any
@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK_BYTES, 3 * BLOCK_BYTES + 7])
def test_what_is_saved_is_read_back(size: int) -> None:
    data = os.urandom(size)
    assert save("photos/ab/one/original.jpg", data) == "photos/ab/one/original.jpg"
    assert read("photos/ab/one/original.jpg") == data
    assert default_storage.size("photos/ab/one/original.jpg") == size
    age = timezone.now() - default_storage.get_modified_time("photos/ab/one/original.jpg")
    assert abs(age) < timedelta(minutes=1)


@on_any
def test_a_file_is_read_in_pieces_from_wherever_it_is_asked() -> None:
    data = os.urandom(2 * BLOCK_BYTES + 11)
    save("batches/one.zip", data)
    chance = random.Random(7)  # noqa: S311 (no secret)
    same = io.BytesIO(data)
    with default_storage.open("batches/one.zip") as file:
        for _ in range(60):
            place = chance.randrange(len(data) + 5)
            size = chance.choice([1, 30, 5000, BLOCK_BYTES + 3])
            assert file.seek(place) == same.seek(place)
            assert file.read(size) == same.read(size)
            assert file.tell() == same.tell()
        file.seek(-5, io.SEEK_END)
        assert file.read() == data[-5:]
        assert file.read() == b""
        with pytest.raises(OSError, match=r"Invalid|before"):
            file.seek(-len(data) - 1, io.SEEK_END)


@on_any
def test_saving_under_a_name_that_is_taken_replaces_the_file() -> None:
    save("photos/ab/one/picture.jpg", b"a long first one")
    assert save("photos/ab/one/picture.jpg", b"second") == "photos/ab/one/picture.jpg"
    assert read("photos/ab/one/picture.jpg") == b"second"
    assert default_storage.listdir("photos/ab/one") == ([], ["picture.jpg"])


@on_any
def test_a_file_is_whole_or_absent() -> None:
    save("photos/ab/one/picture.jpg", b"before")
    for name in ("picture.jpg", "new.jpg"):
        with pytest.raises(OSError, match="of the sender"):
            default_storage.save(f"photos/ab/one/{name}", File(Failing(b"something")))
    assert read("photos/ab/one/picture.jpg") == b"before"
    assert default_storage.listdir("photos/ab/one") == ([], ["picture.jpg"])


@on_any
def test_what_is_missing_is_said_so() -> None:
    save("photos/ab/one/picture.jpg")
    for ask in (
        default_storage.open,
        default_storage.size,
        default_storage.get_modified_time,
        default_storage.listdir,
    ):
        with pytest.raises(FileNotFoundError):
            ask("photos/ab/two")
    assert not default_storage.exists("photos/ab/two")
    # The beginning of a name is none.
    assert not default_storage.exists("photos/ab/on")
    save("photos/ab/on.txt")
    assert not default_storage.exists("photos/ab/on")
    save("photos/ab/on/picture.jpg")
    assert default_storage.exists("photos/ab/on")
    default_storage.delete("photos/ab/one/none.jpg")


@on_any
def test_a_folder_is_listed_and_goes_with_its_last_file() -> None:
    for name in ("one/picture.jpg", "one/original.jpg", "two/original.jpg", "readme.txt"):
        save(f"photos/ab/{name}")
    folders, files = default_storage.listdir("photos/ab")
    assert (sorted(folders), files) == (["one", "two"], ["readme.txt"])
    assert default_storage.exists("photos/ab/one")
    for name in ("picture.jpg", "original.jpg"):
        default_storage.delete(f"photos/ab/one/{name}")
    default_storage.delete("photos/ab/one")
    assert not default_storage.exists("photos/ab/one")
    assert default_storage.exists("photos/ab/two/original.jpg")


@on_any
def test_a_walk_comes_by_every_folder_of_a_photo_once() -> None:
    names = [Photo().folder for _ in range(30)]
    for name in names:
        save(f"{name}/original.jpg")
        save(f"{name}/picture.jpg")
    save("searches/0f0f")
    found = list(cast("Any", default_storage).walk("photos"))
    assert sorted(folder for folder, _ in found) == sorted(names)
    assert all(sorted(files) == ["original.jpg", "picture.jpg"] for _, files in found)
    assert list(cast("Any", default_storage).walk("nothing")) == []


@on_any
def test_nothing_is_public() -> None:
    save("photos/ab/one/picture.jpg")
    with pytest.raises(ValueError, match="no public address"):
        default_storage.url("photos/ab/one/picture.jpg")


@on_any
@pytest.mark.parametrize("name", ["../outside.jpg", "photos/../../outside.jpg"])
def test_a_name_leads_nowhere_else(name: str) -> None:
    with pytest.raises(SuspiciousOperation):
        save(name)
    with pytest.raises(SuspiciousOperation):
        default_storage.open(name)


@on_any
def test_many_threads_write_and_read_at_once() -> None:
    def there_and_back(number: int) -> bool:
        data = bytes([number]) * 50_000
        return read(save(f"photos/ab/one/{number}.jpg", data)) == data

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(there_and_back, range(64)))


@on_any
def test_an_archive_is_read_by_its_directory() -> None:
    content = io.BytesIO()
    files = [os.urandom(700_000) for _ in range(8)]
    with zipfile.ZipFile(content, "w") as packed:
        for number, data in enumerate(files):
            packed.writestr(f"Ada/{number}.jpg", data)
    save("batches/one.zip", content.getvalue())
    with (
        default_storage.open("batches/one.zip") as file,
        archives.opened(cast("IO[bytes]", file)) as archive,
    ):
        for index in (7, 0, 3):
            assert archives.read_file(archive, index, bytes_each=10**6) == files[index]


class Counting(ObjectStorage):
    """One that notes how many bytes each request brought."""

    def fetch(self, key: str, **options: Any) -> tuple[bytes, int, str]:
        answer = super().fetch(key, **options)
        self.brought = [*getattr(self, "brought", []), len(answer[0])]
        return answer


@pytest.fixture
def counting(s3: S3Server) -> Counting:
    address = storage_address.parse(s3.url(prefix=str(Photo().id)))
    return Counting(**address.backend()["OPTIONS"])


def test_of_a_large_archive_no_more_is_fetched_than_is_read(counting: Counting) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for number in range(20):
            packed.writestr(f"Ada/{number}.jpg", os.urandom(1_000_000))
    counting.save("one.zip", ContentFile(content.getvalue()))
    with counting.open("one.zip") as file, archives.opened(cast("IO[bytes]", file)) as archive:
        archives.read_file(archive, 12, bytes_each=10**6)
    assert max(counting.brought) <= BLOCK_BYTES
    assert sum(counting.brought) < 4 * BLOCK_BYTES


def test_a_picture_comes_with_one_request(counting: Counting) -> None:
    counting.save("picture.jpg", ContentFile(bytes(400_000)))
    with counting.open("picture.jpg") as file:
        # As the answer to a browser does, which tells the length first.
        assert file.seek(0, io.SEEK_END) == 400_000
        file.seek(0)
        assert b"".join(iter(lambda: file.read(4096), b"")) == bytes(400_000)
    assert counting.brought == [400_000]


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(counting: Counting) -> None:
    counting.save("picture.jpg", ContentFile(b"a" * 2 * BLOCK_BYTES))
    with counting.open("picture.jpg") as file:
        file.read(10)
        counting.save("picture.jpg", ContentFile(b"b" * 2 * BLOCK_BYTES))
        with pytest.raises(StorageUnavailable):
            file.read()


def test_what_is_sent_is_signed_with_its_digest(counting: Counting) -> None:
    sent: list[bytes] = []
    counting.client.meta.events.register(
        "before-send.s3",
        lambda request, **_: sent.append(request.headers["X-Amz-Content-SHA256"]),
    )
    # One without a name as well.
    for number, file in enumerate((ContentFile(b"pixels"), File(io.BytesIO(b"pixels")))):
        counting.save(f"{number}.jpg", file)
    assert sent == [hashlib.sha256(b"pixels").hexdigest().encode()] * 2


def test_without_keys_in_the_address_they_are_those_of_the_environment(
    s3: S3Server, use_storage: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    use_storage(f"s3://{s3.bucket}/{Photo().id}?endpoint={s3.endpoint}")
    signed: list[str] = []
    storage = cast("Any", default_storage)
    storage.client.meta.events.register(
        "before-send.s3",
        lambda request, **_: signed.append(str(request.headers["Authorization"])),
    )
    assert read(save("one.jpg")) == b"pixels"
    assert all("AWS4-HMAC-SHA256 Credential=from-the-environment/" in one for one in signed)
    assert len(signed) == 2


def test_objects_lie_under_the_prefix_alone_and_are_private(s3: S3Server, use_storage: Use) -> None:
    prefix = f"{Photo().id}/with spaces"
    use_storage(s3.url(prefix=prefix))
    save("searches/one", b"pixels")
    (key,) = [key for key in s3.names() if key.startswith(prefix)]
    assert key == f"{prefix}/searches/one"
    grants = s3.client.get_object_acl(Bucket=s3.bucket, Key=key)["Grants"]
    assert [(one["Permission"], "URI" in one["Grantee"]) for one in grants] == [
        ("FULL_CONTROL", False)
    ]


def test_more_objects_than_one_answer_lists(s3: S3Server, use_storage: Use) -> None:
    prefix = str(Photo().id)
    use_storage(s3.url(prefix=prefix))

    def put(number: int) -> None:
        key = f"{prefix}/photos/{number % 250:02x}/{number % 250}/{number}.png"
        s3.client.put_object(Bucket=s3.bucket, Key=key, Body=b"")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(1300)))
    found = dict(cast("Any", default_storage).walk("photos"))
    assert len(found) == 250
    assert sum(len(files) for files in found.values()) == 1300
    assert len(default_storage.listdir("photos")[0]) == 250


def _is_readable(name: str, answer: Any) -> None:
    answer.put(read(name))


def test_a_worker_that_was_forked_asks_by_itself(s3: S3Server, use_storage: Use) -> None:
    use_storage(s3.url(prefix=str(Photo().id)))
    save("one.jpg")
    forked = multiprocessing.get_context("fork")
    answer = forked.SimpleQueue()
    children = [forked.Process(target=_is_readable, args=("one.jpg", answer)) for _ in range(3)]
    for child in children:
        child.start()
    assert [answer.get() for _ in range(3)] == [b"pixels"] * 3
    assert read("one.jpg") == b"pixels"
    for child in children:
        child.join()


def test_a_file_that_is_written_into_is_refused(s3: S3Server, use_storage: Use) -> None:
    use_storage(s3.url())
    with pytest.raises(ValueError, match="save them whole"):
        default_storage.open("one.jpg", "wb")


def test_a_shared_folder_is_never_made(use_storage: Use, tmp_path: Path) -> None:
    use_storage(f"file://{tmp_path}/not-mounted")
    with pytest.raises(StorageUnavailable):
        save("photos/ab/one/original.jpg")
    assert not (tmp_path / "not-mounted").exists()


@pytest.mark.parametrize(("accel", "mode"), [("", 0o600), ("/media-internal/", 0o640)])
def test_files_are_for_the_service_alone_unless_a_proxy_sends_them(
    use_storage: Use, tmp_path: Path, settings: Settings, accel: str, mode: int
) -> None:
    settings.ACCEL = accel
    use_storage(f"file://{tmp_path}")
    save("photos/ab/one/original.jpg")
    assert (tmp_path / "photos/ab/one/original.jpg").stat().st_mode & 0o777 == mode
