"""What crashes leave in the storage goes, and nothing that a row names or somebody is at work on."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from demo import photos as demo_photos
from ledger import leases
from ledger.sweep import sweep
from recognition import batches, orphans, photos, searches
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Photo
from tests import make
from tests.archives import packed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Settings) -> Path:
    """A storage of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture(autouse=True)
def own_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(orphans, "_round", orphans.Round())


def later_removed() -> int:
    """How many files a call removes when all that is there now has been there for two hours."""
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        return orphans.remove_orphans()


def save(name: str) -> str:
    return default_storage.save(name, ContentFile(b"pixels"))


def files(folder: str) -> set[str]:
    return set(default_storage.listdir(folder)[1])


def test_what_rows_name_stays(engine: Engine, known: Gallery) -> None:
    photo = make.recognised(make.upload("obama-2009.jpg"), engine=engine, known=known)
    waiting = make.upload("hopper.jpg")
    search = searches.ask(ContentFile(demo_photos.path("sunak.jpg").read_bytes()))
    before = files(photo.folder)
    assert len(before) == 4
    assert later_removed() == 0
    assert files(photo.folder) == before
    assert default_storage.exists(str(waiting.image.name))
    assert default_storage.exists(str(search.image.name))


def test_the_folder_of_a_photo_whose_row_is_gone_goes(engine: Engine, known: Gallery) -> None:
    photo = make.recognised(make.upload("obama-2009.jpg"), engine=engine, known=known)
    # The process died after the commit and before it removed the files.
    Photo.objects.all().delete()
    assert later_removed() == 4
    assert not default_storage.exists(photo.folder)


def test_the_file_of_an_upload_that_died_before_its_row_goes() -> None:
    photo = Photo()
    save(f"{photo.folder}/original.jpg")
    save(f"{photo.folder}/.0f0f.part")
    assert later_removed() == 2
    assert not default_storage.exists(photo.folder)


def test_an_empty_folder_goes(media: Path) -> None:
    folder = media / Photo().folder
    folder.mkdir(parents=True)
    assert later_removed() == 0
    assert not folder.exists()


def test_what_an_attempt_left_in_the_folder_of_a_living_photo_goes() -> None:
    photo = make.upload("hopper.jpg")
    face = make.face(photo=photo)
    for name in (face.chip_name, photo.picture_name, photo.thumbnail_name):
        save(name)
    save(f"{photo.folder}/{Photo().id}.png")
    save(f"{photo.folder}/.0f0f.part")
    assert later_removed() == 2
    assert files(photo.folder) == {
        "original.jpg",
        "picture.jpg",
        "thumbnail.jpg",
        f"{face.id}.png",
    }


def test_a_photo_that_somebody_is_at_work_on_is_left_alone_however_old_its_files() -> None:
    photo = make.upload("hopper.jpg")
    lease = leases.claim(Photo, photo.pk, stage=Photo.Stage.UPLOADED)
    assert lease is not None
    chip = save(f"{photo.folder}/{Photo().id}.png")
    # As when the machine was suspended meanwhile.
    assert later_removed() == 0
    assert default_storage.exists(chip)
    leases.finish(lease, stage=Photo.Stage.DONE)
    assert later_removed() == 1
    assert not default_storage.exists(chip)


def test_a_young_file_stays_and_so_does_its_folder() -> None:
    photo = Photo()
    old = save(f"{photo.folder}/original.jpg")
    save(f"{photo.folder}/picture.jpg")
    save("searches/0f0f")
    hours_ago = time.time() - 7200
    os.utime(default_storage.path(old), (hours_ago, hours_ago))
    assert orphans.remove_orphans() == 0
    assert files(photo.folder) == {"original.jpg", "picture.jpg"}


def test_a_file_waits_for_two_leases_where_these_are_longer_than_the_grace(
    settings: Settings,
) -> None:
    save(f"{Photo().folder}/original.jpg")
    settings.LEASE_SECONDS = 2 * 3600
    assert later_removed() == 0
    settings.LEASE_SECONDS = 180
    assert later_removed() == 1


def test_the_file_of_a_search_that_died_before_its_row_goes() -> None:
    save("searches/0f0f")
    assert later_removed() == 1
    assert files("searches") == set()


def test_what_somebody_else_put_there_is_left_alone() -> None:
    save("photos/ab/notes/readme.txt")
    save("photos/zz/0b8f1c9e-0000-4000-8000-000000000000/original.jpg")
    assert later_removed() == 0


def test_a_storage_without_files_is_no_error() -> None:
    assert later_removed() == 0


def test_a_file_that_vanishes_meanwhile_is_no_error(media: Path) -> None:
    photo = Photo()
    save(f"{photo.folder}/original.jpg")
    assert orphans._remove_folder(photo.folder, ["original.jpg", "gone.jpg"]) == 0
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert orphans._remove([f"{photo.folder}/gone.jpg"]) == 0


def test_a_storage_that_denies_everything_keeps_the_sweep_from_nothing(
    media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    media.mkdir()
    (media / "photos").write_text("a file where a folder should be")
    assert orphans.remove_orphans() == 0
    assert "could not be removed" in caplog.text


def test_several_batches_are_looked_at_in_one_call_with_two_queries_each(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(orphans, "BATCH", 4)
    monkeypatch.setattr(orphans, "BUDGET_SECONDS", 60)
    for _ in range(10):
        save(f"{make.photo().folder}/left.png")
    with django_assert_num_queries(2 + 2 * 3):
        assert later_removed() == 10


def test_a_call_goes_on_where_the_last_one_ran_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        save(f"{Photo().folder}/original.jpg")
    monkeypatch.setattr(orphans, "BUDGET_SECONDS", 0)
    assert later_removed() == 0
    assert len(orphans._round.take(3)) == 3
    monkeypatch.setattr(orphans, "BUDGET_SECONDS", 60)
    assert [later_removed(), later_removed(), later_removed()] == [2, 3, 0]


def test_what_removing_takes_too_long_for_is_left_to_the_next_call() -> None:
    for _ in range(5):
        save(f"{Photo().folder}/original.jpg")
    listed = orphans._round.take(5)
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert orphans._clean(listed, until=0) == 1
    assert later_removed() == 4


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_queue")
def test_the_sweep_does_it_and_says_so() -> None:
    save(f"{Photo().folder}/original.jpg")
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        assert "1 files removed" in str(sweep())


@pytest.mark.django_db(transaction=True)
def test_deleting_a_photo_leaves_nothing_to_remove() -> None:
    photo = make.upload("hopper.jpg")
    photos.delete_photos([photo])
    assert not default_storage.exists(photo.folder)
    assert later_removed() == 0


def test_an_archive_stays_while_a_row_names_it() -> None:
    batch = batches.store(packed({"Ada/1.jpg": b"pixels"}), owner=None)
    save("batches/left.zip")
    assert later_removed() == 1
    assert files("batches") == {f"{batch.pk}.zip"}
