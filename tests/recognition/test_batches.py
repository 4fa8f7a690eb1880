"""An archive is stored, confirmed, and taken in by workers: each photo once, whoever dies on the way."""

import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import Settings

from ledger import queues
from ledger.sweep import sweep
from recognition import batches, photos, tasks
from recognition.archives import BadArchive
from recognition.models import Batch, BatchEntry, Person, Photo
from tests import make
from tests.archives import packed
from tests.pictures import small_copy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Settings) -> Path:
    """A storage of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def people_zip(**more: bytes) -> Any:
    """Two people with two photos each, and a file that is no photo."""
    copies = [small_copy(number=number) for number in range(4)]
    return packed(
        {
            "Ada_Lovelace/1.jpg": copies[0],
            "Ada_Lovelace/2.jpg": copies[1],
            "Grace Hopper/1.jpg": copies[2],
            "Grace Hopper/words.jpg": b"these are words",
            "Grace Hopper/2.jpg": copies[3],
            "Nobody/words.jpg": b"these are words, too",
            **more,
        }
    )


@pytest.fixture
def batch() -> Batch:
    """Such an archive, confirmed."""
    stored = batches.store(people_zip(), owner=make.user())
    assert batches.confirm(stored)
    stored.refresh_from_db()
    return stored


def nothing(photo: Photo) -> None:
    """Wake nobody."""


def outcomes(batch: Batch) -> Counter[str]:
    return Counter(batch.entries.values_list("outcome", flat=True))


def archive_files() -> list[str]:
    return default_storage.listdir("batches")[1]


def test_nobody_is_enrolled_before_somebody_confirms() -> None:
    stored = batches.store(people_zip(), owner=None)
    assert stored.stage == "preview"
    assert not batches.take_photos(stored.pk, then=nothing)
    assert not Person.objects.exists()
    assert not Photo.objects.exists()
    assert archive_files() == [f"{stored.pk}.zip"]


def test_a_confirmed_archive_becomes_people_and_enrolments(batch: Batch) -> None:
    woken: list[Photo] = []
    assert not batches.take_photos(batch.pk, then=woken.append)
    batch.refresh_from_db()
    assert (batch.stage, batch.archive.name) == ("done", "")
    assert batch.finished_at
    assert archive_files() == []
    # Who would have no photo is not added.
    assert set(Person.objects.values_list("name", flat=True)) == {"Ada Lovelace", "Grace Hopper"}
    enrolments = Counter(Photo.objects.values_list("person__name", "purpose", "owner"))
    assert enrolments == {
        (name, "enrolment", batch.owner_id): 2 for name in ("Ada Lovelace", "Grace Hopper")
    }
    assert all(photo.priority < 0 for photo in woken)
    assert len(woken) == 4
    assert outcomes(batch) == {"stored": 4, "unsupported_format": 2}


def test_photos_are_added_to_the_oldest_known_person_of_exactly_that_name(batch: Batch) -> None:
    ada = make.person("Ada Lovelace")
    make.person("Ada Lovelace")
    make.person("grace hopper")
    make.person("Grace Hopper", merged_into=ada)
    batches.take_photos(batch.pk, then=nothing)
    assert ada.enrolments.count() == 2
    assert (
        Person.objects.filter(name="Grace Hopper", merged_into=None).get().enrolments.count() == 2
    )


def test_who_is_merged_meanwhile_stands_for_the_other(batch: Batch, settings: Settings) -> None:
    settings.LEASE_SECONDS = 0.0001
    assert batches.take_photos(batch.pk, then=nothing)
    settings.LEASE_SECONDS = 180
    ada, other = Person.objects.get(), make.person("Countess")
    Person.objects.filter(pk=ada.pk).update(merged_into=other)
    batches.take_photos(batch.pk, then=nothing)
    assert other.enrolments.count() == 1


class Killed(BaseException):
    """What no code catches."""


def test_a_worker_killed_in_between_loses_nothing_and_doubles_nothing(
    batch: Batch, empty_queue: None, django_capture_on_commit_callbacks: Any
) -> None:
    def die(photo: Photo) -> None:
        raise Killed

    with pytest.raises(Killed):
        batches.take_photos(batch.pk, then=die)
    # The next one dies between a photo and its note.
    BatchEntry.objects.filter(batch=batch).update(outcome="", photo=None)
    assert Photo.objects.count() == 1
    assert not batches.take_photos(batch.pk, then=nothing), "held by the dead"
    with time_machine.travel(timezone.now() + timedelta(minutes=10)):
        with django_capture_on_commit_callbacks(execute=True):
            sweep()
        while task := queues.huey.dequeue():
            if isinstance(task, tasks.take_photos.task_class):
                queues.huey.execute(task)
    batch.refresh_from_db()
    assert batch.stage == "done"
    assert Photo.objects.count() == 4
    assert Person.objects.count() == 2
    assert outcomes(batch) == {"stored": 4, "unsupported_format": 2}


def test_a_slice_ends_long_before_its_lease_and_the_next_one_goes_on(
    batch: Batch, settings: Settings, empty_queue: None, django_capture_on_commit_callbacks: Any
) -> None:
    settings.LEASE_SECONDS = 0.0001
    with django_capture_on_commit_callbacks(execute=True):
        tasks.take_photos.call_local(str(batch.pk))
    settings.LEASE_SECONDS = 180
    batch.refresh_from_db()
    assert (batch.stage, batch.attempts, batch.lease_token) == ("taking", 0, None)
    assert outcomes(batch) == {"stored": 1, "": 5}
    waiting = []
    while task := queues.huey.dequeue():
        waiting.append(type(task).__name__)
    assert sorted(waiting) == ["detect_faces", "take_photos"]


def test_while_nothing_is_taken_in_the_archive_waits_and_counts_no_attempt(
    batch: Batch, settings: Settings
) -> None:
    settings.MAX_BACKLOG = 1
    assert not batches.take_photos(batch.pk, then=nothing)
    batch.refresh_from_db()
    assert (batch.stage, batch.attempts, batch.error_code) == ("taking", 0, "backlog_full")
    assert batch.next_try_at > timezone.now()
    assert outcomes(batch)["stored"] >= 1
    settings.MAX_BACKLOG = 100
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        batches.take_photos(batch.pk, then=nothing)
    batch.refresh_from_db()
    assert (batch.stage, batch.error_code) == ("done", "")


def test_the_same_bytes_twice_are_one_photo() -> None:
    photo = small_copy(number=1)
    stored = batches.store(packed({"Ada/1.jpg": photo, "Ada/2.jpg": photo}), owner=None)
    batches.confirm(stored)
    batches.take_photos(stored.pk, then=nothing)
    assert Photo.objects.count() == 1
    assert outcomes(stored) == {"stored": 1, "known": 1}


def test_the_same_archive_again_adds_nothing(batch: Batch) -> None:
    batches.take_photos(batch.pk, then=nothing)
    again = batches.store(people_zip(), owner=batch.owner)
    batches.confirm(again)
    batches.take_photos(again.pk, then=nothing)
    assert outcomes(again) == {"known": 4, "unsupported_format": 2}
    assert Photo.objects.count() == 4


def test_a_damaged_file_is_told_and_the_others_are_taken() -> None:
    file = people_zip()
    data = bytearray(file.read())
    data[data.index(b"these are words")] ^= 0xFF
    file.file.seek(0)
    file.file.write(data)
    stored = batches.store(file, owner=None)
    batches.confirm(stored)
    batches.take_photos(stored.pk, then=nothing)
    assert outcomes(stored) == {"stored": 4, "damaged": 1, "unsupported_format": 1}


def test_stopping_drops_what_its_worker_does_and_keeps_what_is_enrolled(
    batch: Batch, settings: Settings
) -> None:
    def stop(photo: Photo) -> None:
        assert batches.stop(batch)

    assert not batches.take_photos(batch.pk, then=stop)
    batch.refresh_from_db()
    assert (batch.stage, batch.archive.name) == ("stopped", "")
    assert archive_files() == []
    assert Photo.objects.count() <= 2
    assert outcomes(batch)["stored"] == 1
    assert not batches.stop(batch)


def test_only_what_nobody_confirmed_is_thrown_away(batch: Batch) -> None:
    assert not batches.discard(batch)
    waiting = batches.store(people_zip(), owner=None)
    assert batches.discard(waiting)
    assert not batches.confirm(waiting)
    assert list(Batch.objects.all()) == [batch]
    assert archive_files() == [f"{batch.pk}.zip"]
    assert not batches.confirm(batch)


def test_an_archive_whose_file_is_gone_fails_and_says_so(batch: Batch, media: Path) -> None:
    shutil.rmtree(media / "batches")
    batches.take_photos(batch.pk, then=nothing)
    batch.refresh_from_db()
    assert (batch.stage, batch.error_code) == ("failed", "file_missing")
    assert batches.retry(batch)
    assert not batches.retry(batch)


def test_what_is_no_archive_leaves_nothing_behind(settings: Settings) -> None:
    for file in (packed({}), packed({"1.jpg": b"x"})):
        with pytest.raises(BadArchive):
            batches.store(file, owner=None)
    settings.MAX_ARCHIVE_BYTES = 100
    with pytest.raises(photos.TooLarge):
        batches.store(people_zip(), owner=None)
    assert not Batch.objects.exists()
    assert not default_storage.exists("batches")


@pytest.mark.parametrize(
    ("stage", "hours", "kept"),
    [
        ("preview", 23, True),
        ("preview", 25, False),
        ("failed", 23, True),
        ("failed", 25, False),
        ("taking", 1000, True),
        ("done", 25, True),
        ("done", 24 * 8, False),
        ("stopped", 24 * 8, False),
    ],
)
def test_what_is_forgotten_goes_after_a_while(stage: str, hours: int, kept: bool) -> None:  # noqa: FBT001
    stored = batches.store(people_zip(), owner=None)
    ended = None if stage in {"preview", "taking"} else timezone.now()
    Batch.objects.update(stage=stage, finished_at=ended)
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        assert batches.forget_the_old() == (not kept)
    assert Batch.objects.filter(pk=stored.pk).exists() == kept
    assert bool(archive_files()) == kept


def test_a_lost_lease_stores_no_more(batch: Batch) -> None:
    def lose(photo: Photo) -> None:
        Batch.objects.filter(pk=batch.pk).update(lease_token=None)

    batches.take_photos(batch.pk, then=lose)
    batch.refresh_from_db()
    assert batch.stage == "taking"
    assert outcomes(batch)["stored"] == 1
