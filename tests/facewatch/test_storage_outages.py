"""A storage that is away costs time: what comes is refused, what is there waits, and nothing is lost or shown."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

import pytest
import time_machine
from botocore.exceptions import ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rich.console import Console

from demo import photos as demo_photos
from facewatch import object_storage, storage_address, storage_state
from ledger import intake, leases, queues
from ledger.leases import StorageUnavailable
from ledger.sweep import sweep
from recognition import archives, batches, bulk, orphans, photos, progress, searches, tasks
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Face, Photo, Search
from tests import make
from tests.api.conftest import picture, problem, token_client
from tests.archives import packed
from tests.ports import free_port
from tests.s3_server import SECRET_KEY, S3Server
from tests.storages import IMPATIENCE, Use, hung

Outage = Callable[[], AbstractContextManager[None]]

URL = "/api/v1/photos/"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("photos_folder", "empty_queue"),
]


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(orphans, "_round", orphans.Round())
    monkeypatch.setattr(storage_state, "watch", storage_state.Watch(storage_state.look))


def later(seconds: float) -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=seconds))


def work() -> None:
    """Take and do what is queued, as a worker would."""
    while task := queues.huey.dequeue():
        queues.huey.execute(task)


def test_uploads_and_searches_are_refused_and_nothing_stays(outage: Outage) -> None:
    client = token_client(make.user(role="manager"))
    with outage():
        for url in (URL, "/api/v1/search/"):
            answer = client.post(url, {"image": picture()})
            body = problem(answer, 503, "storage_unavailable")
            assert 5 <= int(answer["Retry-After"]) <= 300
            assert SECRET_KEY not in str(body)
    assert not Photo.objects.exists()
    assert not Search.objects.exists()
    time.sleep(object_storage.BREAK_SECONDS)
    assert client.post(URL, {"image": picture()}).status_code == 202


def test_pictures_are_asked_for_again_later(outage: Outage, engine: Engine, known: Gallery) -> None:
    photo = make.recognised(make.upload("hopper.jpg"), engine=engine, known=known)
    client = token_client(make.user(is_superuser=True))
    path = f"{URL}{photo.pk}/image/"
    with outage():
        problem(client.get(path), 503, "storage_unavailable")
    time.sleep(object_storage.BREAK_SECONDS)
    answer: Any = client.get(path)
    assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")


def test_photos_wait_as_often_as_it_takes_and_are_never_to_blame(outage: Outage) -> None:
    photo = make.upload("hopper.jpg")
    with outage():
        for number in range(Photo.MAX_ATTEMPTS + 2):
            with later(3600 * (number + 1)):
                tasks.wake_photo(photo)
                work()
                sweep()
            photo.refresh_from_db()
            assert (photo.stage, photo.error_code) == ("uploaded", "storage_unavailable")
            assert (photo.attempts, photo.lease_token) == (0, None)
    time.sleep(object_storage.BREAK_SECONDS)
    with later(3600 * 24):
        sweep()
        work()
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("done", "")
    assert default_storage.exists(Face.objects.get().chip_name)


def test_faces_that_were_found_wait_for_their_chips(
    outage: Outage, engine: Engine, known: Gallery
) -> None:
    photo = make.upload("hopper.jpg")
    photos.detect_faces(photo.pk, engine=engine)
    with outage():
        photos.recognise_faces(photo.pk, engine=engine, known=known)
    photo.refresh_from_db()
    assert (photo.stage, photo.attempts) == ("detected", 0)
    time.sleep(object_storage.BREAK_SECONDS)
    with later(120):
        photos.recognise_faces(photo.pk, engine=engine, known=known)
    photo.refresh_from_db()
    assert photo.stage == "done"


def test_an_archive_waits_and_is_not_taken_for_a_damaged_one(outage: Outage) -> None:
    archive = packed({"Ada/1.jpg": demo_photos.path("hopper.jpg").read_bytes()})
    batch = batches.store(archive, owner=make.user())
    batches.confirm(batch)
    with outage():
        assert not batches.take_photos(batch.pk, then=lambda _: None)
        with pytest.raises(intake.NoStorage):
            batches.store(archive, owner=None)
    batch.refresh_from_db()
    assert (batch.stage, batch.error_code, batch.attempts) == ("taking", "storage_unavailable", 0)
    time.sleep(object_storage.BREAK_SECONDS)
    with later(120):
        batches.take_photos(batch.pk, then=lambda _: None)
    batch.refresh_from_db()
    assert batch.stage == "done"
    assert Photo.objects.count() == 1


def test_an_archive_that_is_cut_off_in_the_middle_is_not_damaged(
    s3: S3Server, use_storage: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "READ_SECONDS", IMPATIENCE)
    use_storage(s3.url(prefix=str(Photo().id)))
    files = {f"Ada/{number}.jpg": bytes(object_storage.BLOCK_BYTES) for number in range(4)}
    batch = batches.store(packed({"Ada/a.jpg": b"pixels"} | files), owner=make.user())
    name = str(batch.archive.name)
    with (
        default_storage.open(name) as begun,
        default_storage.open(name) as untouched,
        archives.opened(cast("IO[bytes]", begun)) as archive,
        hung(s3),
    ):
        # Its directory is at its end.
        with pytest.raises(StorageUnavailable), archives.opened(cast("IO[bytes]", untouched)):
            pass
        with pytest.raises(StorageUnavailable):
            archives.read_file(archive, 3, bytes_each=10**7)


def test_who_deletes_a_photo_has_deleted_it_and_its_files_go_later(outage: Outage) -> None:
    photo = make.upload("hopper.jpg")
    client = token_client(make.user(is_superuser=True))
    with outage():
        assert client.delete(f"{URL}{photo.pk}/").status_code == 204
        assert not Photo.objects.exists()
        with later(7200):
            assert orphans.remove_orphans() == 0
    time.sleep(object_storage.BREAK_SECONDS)
    assert default_storage.exists(photo.folder)
    with later(7200):
        removed = [orphans.remove_orphans() for _ in range(2)]
    assert sum(removed) == 1
    assert not default_storage.exists(photo.folder)


def test_a_search_that_nobody_waits_for_is_forgotten_later(outage: Outage) -> None:
    search = searches.ask(ContentFile(demo_photos.path("sunak.jpg").read_bytes()))
    with later(3600):
        with outage():
            assert searches.forget_the_unheard() == 0
        time.sleep(object_storage.BREAK_SECONDS)
        assert searches.forget_the_unheard() == 1
    assert not default_storage.exists(str(search.image.name))


def test_commands_wait_or_say_how_to_go_on(outage: Outage, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(demo_photos.path("hopper.jpg").read_bytes())
    with outage(), pytest.raises(intake.NoStorage):
        bulk.store(path, owner=None)
    with pytest.raises(CommandError, match="same call goes on"), progress.stoppable():
        raise StorageUnavailable("The storage is away")


def test_what_a_command_says_while_it_waits(
    outage: Outage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(demo_photos.path("hopper.jpg").read_bytes())
    away = outage()
    away.__enter__()

    class Ending(Console):
        """Ends the outage once it was spoken of."""

        def print(self, *objects: Any, **options: Any) -> None:
            super().print(*objects, **options)
            if "waiting" in str(objects):
                away.__exit__(None, None, None)

    outcomes = progress.store_all([(path, None)], owner=None, console=Ending(), then=lambda _: None)
    assert [one.result for one in outcomes] == ["stored"]
    assert "does not answer; waiting until it does." in capsys.readouterr().out


def test_readiness_tells_within_seconds_and_asks_seldom(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> str:
        return str(Client().get("/readyz").json()["checks"]["storage"])

    assert told() == "ok"
    with outage():
        assert told() == "ok", "an answer is good for some seconds"
        monkeypatch.setattr(storage_state, "KEPT_SECONDS", 0.0)
        began = time.monotonic()
        text = told()
        assert time.monotonic() - began < storage_state.PATIENCE_SECONDS + 1
        assert "storage does not answer" in text or "is away" in text or "in time" in text
    time.sleep(object_storage.BREAK_SECONDS)
    deadline = time.monotonic() + 10
    while told() != "ok":
        assert time.monotonic() < deadline


def test_the_metrics_tell_and_are_answered_all_the_same(
    outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = token_client(make.user(role="operator"))

    def told() -> dict[str, str]:
        began = time.monotonic()
        answer = client.get("/metrics")
        assert time.monotonic() - began < storage_state.PATIENCE_SECONDS + 1
        assert answer.status_code == 200
        samples = (line.rpartition(" ") for line in answer.content.decode().splitlines())
        return {name.removeprefix("facewatch_"): value for name, _, value in samples}

    before = told()
    assert (before["storage_up"], before["intake_open"]) == ("1.0", "1.0")
    with outage():
        told()  # An answer is good for some seconds, and the folder gone already.
        monkeypatch.setattr(storage_state, "KEPT_SECONDS", 0.0)
        during = told()
    assert (during["storage_up"], during["intake_open"]) == ("0.0", "0.0")
    assert "storage_free_bytes" not in during


def test_a_look_that_hangs_is_waited_for_briefly_and_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_state, "PATIENCE_SECONDS", 0.05)
    looks: list[float] = []

    def look() -> None:
        looks.append(time.monotonic())
        time.sleep(1)

    watch = storage_state.Watch(look)
    assert [watch.problem() for _ in range(3)] == ["no answer in time"] * 3
    assert len(looks) == 1
    time.sleep(1.2)
    assert watch.problem() == ""
    assert len(looks) == 1


def test_a_server_that_is_not_there_is_asked_seldom_and_its_keys_are_not_told(
    use_storage: Use, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "BREAK_SECONDS", 60)
    use_storage(f"s3://key:hunter2@faces?endpoint=http://127.0.0.1:{free_port()}")
    client = token_client(make.user(role="uploader"))
    for number in range(4):
        began = time.monotonic()
        problem(
            client.post(URL, {"image": picture(size=(40, 30 + number))}), 503, "storage_unavailable"
        )
    assert time.monotonic() - began < 0.5, "it is left alone by now"
    assert "hunter2" not in caplog.text
    assert "object storage" in caplog.text


def test_a_hung_server_holds_nobody_for_long(
    s3: S3Server, use_storage: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_storage, "READ_SECONDS", IMPATIENCE)
    monkeypatch.setattr(object_storage, "BREAK_SECONDS", 1.0)
    use_storage(s3.url())
    taken = []
    with hung(s3):
        for _ in range(4):
            began = time.monotonic()
            with pytest.raises(StorageUnavailable):
                default_storage.exists("one")
            taken.append(time.monotonic() - began)
    patience = IMPATIENCE * object_storage.ATTEMPTS + 2
    assert all(seconds < patience for seconds in taken)
    assert all(seconds < 0.1 for seconds in taken[object_storage.FAILURES :])
    with pytest.raises(StorageUnavailable, match="left alone"):
        default_storage.exists("one")
    time.sleep(1.1)
    assert not default_storage.exists("one")


def test_of_many_who_ask_again_one_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_storage, "BREAK_SECONDS", 0.05)
    breaker = object_storage.Breaker()
    breaker.failed()
    assert breaker.allows(), "one request may always fail"
    breaker.failed()
    assert not breaker.allows()
    time.sleep(0.1)
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.answered()
    assert breaker.allows()


def test_a_bucket_that_is_missing_makes_no_photo_fail(
    s3: S3Server, use_storage: Use, engine: Engine, settings: Settings
) -> None:
    use_storage(s3.url(prefix=str(Photo().id)))
    photo = make.upload("hopper.jpg")
    use_storage(s3.url(bucket="another"))
    photos.detect_faces(photo.pk, engine=engine)
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("uploaded", "storage_unavailable")


def test_an_object_that_is_missing_is_the_photos_end(
    s3: S3Server, use_storage: Use, engine: Engine
) -> None:
    use_storage(s3.url(prefix=str(Photo().id)))
    photo = make.upload("hopper.jpg")
    default_storage.delete(str(photo.image.name))
    photos.detect_faces(photo.pk, engine=engine)
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("failed", "file_missing")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("NoSuchKey", 404, FileNotFoundError),
        ("404", 404, FileNotFoundError),
        ("NoSuchBucket", 404, StorageUnavailable),
        ("AccessDenied", 403, StorageUnavailable),
        ("SlowDown", 503, StorageUnavailable),
        ("InvalidAccessKeyId", 403, StorageUnavailable),
        ("XMinioStorageFull", 507, OSError),
        ("QuotaExceeded", 403, OSError),
    ],
)
def test_what_answers_of_a_server_mean(code: str, status: int, expected: type[OSError]) -> None:
    facts: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error = object_storage._translated(ClientError(facts, "GetObject"), "one")
    assert type(error) is expected
    assert (error.errno in leases.NO_ROOM) == (expected is OSError)


def test_the_room_that_counts_is_that_of_the_photos(
    settings: Settings, small_disk: Any, s3: S3Server
) -> None:
    settings.MIN_FREE_BYTES = 5_000_000
    client = token_client(make.user(role="uploader"))
    settings.STORAGE = storage_address.parse(f"file://{small_disk(megabytes=2)}")
    problem(client.post(URL, {"image": picture()}), 503, "disk_full")
    # Nobody can know, and the data folder is not asked.
    settings.DATA_DIR = small_disk(megabytes=2)
    settings.STORAGE = storage_address.parse(s3.url())
    assert client.post(URL, {"image": picture()}).status_code == 202
