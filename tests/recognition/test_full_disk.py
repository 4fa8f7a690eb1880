"""A disk that fills up while a worker writes costs a photo time, and nothing else."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.files.storage import default_storage
from django.utils import timezone

from ledger import leases, queues
from ledger.sweep import sweep
from recognition import photos, tasks
from recognition.engine import Engine
from recognition.models import Face, Photo
from tests import make
from tests.disk import fill

pytestmark = pytest.mark.usefixtures("empty_queue", "photos_folder")

#: A disk gives files whole pages of memory, of so many bytes.
PAGE = 4096


@pytest.fixture
def media(small_disk: Any, settings: Any) -> Path:
    """The folder of photos, on a disk of its own."""
    folder: Path = small_disk(megabytes=16)
    settings.MEDIA_ROOT = folder
    return folder


def work() -> None:
    """Take and do what is queued, as a worker would."""
    while task := queues.huey.dequeue():
        queues.huey.execute(task)


def files(photo: Photo) -> dict[str, int]:
    """The names of a photo's files, each with the bytes that it takes on the disk."""
    return {
        name: -(-default_storage.size(f"{photo.folder}/{name}") // PAGE) * PAGE
        for name in default_storage.listdir(photo.folder)[1]
    }


def room_up_to_the_chip(engine: Engine) -> int:
    """Bytes that detection writes before the first chip."""
    photo = make.upload("hopper.jpg")
    photos.detect_faces(photo.pk, engine=engine)
    found = files(photo)
    room = found["picture.jpg"] + found["thumbnail.jpg"]
    photos.delete_photos([photo])
    return room


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_is_full_while_a_chip_is_written_puts_the_photo_off(
    media: Path, engine: Engine
) -> None:
    room = room_up_to_the_chip(engine)
    photo = make.upload("hopper.jpg")
    filler = fill(media, leaving=room + 2 * PAGE)
    tasks.wake_photo(photo)
    work()
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("uploaded", "disk_full")
    assert (photo.attempts, photo.lease_token) == (0, None)
    assert photo.next_try_at > timezone.now() + timedelta(seconds=leases.PUT_OFF_SECONDS / 2)
    assert set(files(photo)) == {"original.jpg", "picture.jpg", "thumbnail.jpg"}
    assert not Face.objects.exists()

    sweep()
    assert queues.length() == 0, "it is not tried before its time"
    filler.unlink()
    with time_machine.travel(timezone.now() + timedelta(seconds=leases.PUT_OFF_SECONDS + 1)):
        sweep()
        work()
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.attempts) == ("done", "", 0)
    face = Face.objects.get()
    assert default_storage.exists(face.chip_name)


@pytest.mark.django_db(transaction=True)
def test_a_disk_that_stays_full_never_makes_a_photo_fail(media: Path, engine: Engine) -> None:
    photo = make.upload("hopper.jpg")
    fill(media, leaving=PAGE)
    for number in range(Photo.MAX_ATTEMPTS + 2):
        with time_machine.travel(timezone.now() + timedelta(hours=number + 1)):
            tasks.wake_photo(photo)
            work()
            sweep()
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.attempts) == ("uploaded", "disk_full", 0)
    assert set(files(photo)) == {"original.jpg"}
