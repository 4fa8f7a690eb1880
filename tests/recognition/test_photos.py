"""The way of a photo, on real faces: stored, detected, recognised, published."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone
from PIL import Image as Pillow

from demo import photos as demo_photos
from ledger.intake import BacklogFull
from recognition import engine as engines
from recognition import people, photos, publishing
from recognition.engine import Engine
from recognition.events import photo_recognised
from recognition.gallery.exact import ExactGallery
from recognition.models import Embedding, Face, Person, Photo
from tests import make
from tests.pictures import portrait, thirty_faces

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


def files(photo: Photo) -> set[str]:
    return set(default_storage.listdir(photo.folder)[1])


def stored(name: str) -> io.BytesIO:
    with default_storage.open(name) as file:
        return io.BytesIO(file.read())


def stored_bytes(data: bytes, *, owner: Any = None, person: Person | None = None) -> Photo:
    return photos.store_photo(ContentFile(data, name="x"), owner=owner, person=person).photo


def test_a_stored_photo_waits_with_its_facts() -> None:
    owner = make.user()
    photo = make.upload("hopper.jpg", owner=owner, source="gate 2")
    path = demo_photos.path("hopper.jpg")
    assert (photo.stage, photo.format, photo.width, photo.height) == ("uploaded", "JPEG", 512, 600)
    assert (photo.owner, photo.source, photo.bytes) == (owner, "gate 2", path.stat().st_size)
    assert stored(str(photo.image.name)).read() == path.read_bytes()


def test_the_same_bytes_of_one_owner_are_the_first_photo() -> None:
    owner = make.user()
    first = make.upload("hopper.jpg", owner=owner)
    again = photos.store_photo(
        ContentFile(demo_photos.path("hopper.jpg").read_bytes(), name="other.jpg"), owner=owner
    )
    assert (again.photo.pk, again.created) == (first.pk, False)


def test_the_same_bytes_of_another_owner_or_as_an_enrolment_are_another_photo() -> None:
    owner = make.user()
    made = {
        make.upload("hopper.jpg", owner=owner).pk,
        make.upload("hopper.jpg", owner=make.user("vic")).pk,
        make.upload("hopper.jpg", owner=owner, person=make.person()).pk,
        make.upload("hopper.jpg", owner=owner, person=make.person("Bo Example")).pk,
    }
    assert len(made) == 4


@override_settings(MAX_BACKLOG=1)
def test_a_full_backlog_refuses_and_stores_nothing() -> None:
    make.photo(stage="uploaded")
    with pytest.raises(BacklogFull):
        make.upload("hopper.jpg")
    assert Photo.objects.count() == 1


@override_settings(MAX_UPLOAD_BYTES=1000)
def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(photos.TooLarge, match="1000 are accepted"):
        make.upload("hopper.jpg")


def test_something_else_than_a_photo_is_refused_and_leaves_no_file() -> None:
    with pytest.raises(engines.ImageError) as caught:
        stored_bytes(b"hello, I am text")
    assert caught.value.code == "unsupported_format"
    assert not Photo.objects.exists()


def test_a_large_face_is_stored_in_pixels_of_the_whole_photo_and_shown_at_half_its_size(
    engine: Engine,
) -> None:
    photo = stored_bytes(portrait(longest=4000))
    photos.detect_faces(photo.pk, engine=engine)
    face = photo.faces.get()
    (whole,) = engine.detect(engines.decode(stored(str(photo.image.name))))
    with Pillow.open(stored(photo.picture_name)) as picture:
        assert max(picture.size) == 2000
    assert abs(face.x - whole.box.x) < 0.05 * whole.box.width
    assert abs(face.width - whole.box.width) < 0.06 * whole.box.width
    with Pillow.open(stored(face.chip_name)) as chip:
        assert max(chip.size) == 320
        across = [x / chip.width for x, _ in face.landmarks]
    assert 0.3 < min(across) < max(across) < 0.7


def test_faces_are_found_with_chips_and_clean_pictures(engine: Engine) -> None:
    photo = make.upload("hopper.jpg")
    assert photos.detect_faces(photo.pk, engine=engine) is not None
    photo.refresh_from_db()
    face = photo.faces.get()
    assert photo.stage == "detected"
    assert (face.index, face.engine) == (0, engine.name)
    assert 0 <= face.x < face.x + face.width <= photo.width
    assert 0.3 < face.quality <= 1
    assert files(photo) == {"original.jpg", "picture.jpg", "thumbnail.jpg", f"{face.pk}.png"}
    with Pillow.open(stored(photo.picture_name)) as picture:
        assert (picture.size, picture.format, dict(picture.getexif())) == ((512, 600), "JPEG", {})
    with Pillow.open(stored(photo.thumbnail_name)) as thumbnail:
        assert max(thumbnail.size) == photos.THUMBNAIL_SIZE


def test_a_second_wake_up_does_nothing(engine: Engine, known: ExactGallery) -> None:
    photo = make.recognised(make.upload("hopper.jpg"), engine=engine, known=known)
    before = list(Face.objects.values())
    assert photos.detect_faces(photo.pk, engine=engine) is None
    photos.recognise_faces(photo.pk, engine=engine, known=known)
    assert list(Face.objects.values()) == before


def test_a_known_person_is_seen_and_others_are_not(engine: Engine, known: ExactGallery) -> None:
    person, other = make.person("Barack Obama"), make.person("Grace Hopper")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    make.recognised(make.upload("hopper.jpg", person=other), engine=engine, known=known)
    photo = make.recognised(make.upload("obama-2012.jpg"), engine=engine, known=known)
    sighting = photo.sightings.get()
    assert (sighting.person, sighting.rank) == (person, 1)
    assert sighting.distance < 0.5
    assert sighting.margin is not None
    assert sighting.margin > 0.2
    assert photo.finished_at is not None
    stranger = make.recognised(make.upload("macron-2025.jpg"), engine=engine, known=known)
    assert (stranger.stage, stranger.sightings.count()) == ("done", 0)


def test_a_photo_without_faces_is_done_and_published(
    engine: Engine, known: ExactGallery, heard: list[Any]
) -> None:
    photo = make.recognised(make.upload("coffee.png"), engine=engine, known=known)
    assert (photo.stage, photo.faces.count()) == ("done", 0)
    assert photo.published_at is not None
    assert heard == [photo.pk]


def test_a_truncated_photo_fails_with_a_code_and_keeps_its_bytes(engine: Engine) -> None:
    data = demo_photos.path("hopper.jpg").read_bytes()
    photo = stored_bytes(data[: len(data) // 2])
    assert photos.detect_faces(photo.pk, engine=engine) is None
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code, photo.failed_stage) == (
        "failed",
        "unreadable_image",
        "uploaded",
    )
    assert photo.error_detail
    assert default_storage.size(str(photo.image.name)) == len(data) // 2


def test_a_photo_whose_file_is_gone_fails_with_what_to_do(
    engine: Engine, known: ExactGallery
) -> None:
    photo = make.upload("hopper.jpg")
    default_storage.delete(str(photo.image.name))
    photos.detect_faces(photo.pk, engine=engine)
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("failed", "file_missing")
    other = make.upload("sunak.jpg")
    photos.detect_faces(other.pk, engine=engine)
    default_storage.delete(other.faces.get().chip_name)
    photos.recognise_faces(other.pk, engine=engine, known=known)
    other.refresh_from_db()
    assert (other.stage, other.error_code) == ("failed", "file_missing")


def test_a_failed_photo_can_be_retried(engine: Engine, known: ExactGallery) -> None:
    photo = make.upload("hopper.jpg")
    photo.stage, photo.failed_stage, photo.error_code = "failed", "uploaded", "worker_died"
    photo.save()
    assert photos.retry_photo(photo)
    assert make.recognised(photo, engine=engine, known=known).stage == "done"
    assert not photos.retry_photo(photo)


def test_a_person_deleted_while_a_photo_is_in_work_is_left_out(
    engine: Engine, known: ExactGallery
) -> None:
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    photo = make.upload("obama-2012.jpg")
    photos.detect_faces(photo.pk, engine=engine)

    class DeletesMeanwhile:
        """The gallery of a worker that finds the person just before somebody deletes them."""

        settle = known.settle

        def search(self, *args: Any, **kwargs: Any) -> Any:
            found = known.search(*args, **kwargs)
            people.delete_people([person])
            return found

    photos.recognise_faces(photo.pk, engine=engine, known=DeletesMeanwhile())
    photo.refresh_from_db()
    assert (photo.stage, photo.sightings.count(), photo.faces.count()) == ("done", 0, 1)


def test_who_lost_the_lease_stores_nothing_and_leaves_no_chip(engine: Engine) -> None:
    photo = make.upload("hopper.jpg")

    class Stalls:
        """The engine of a worker that stalls until another one has done its work."""

        name = engine.name

        def detect(self, image: Any, *, detail: Any) -> Any:
            Photo.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
            photos.detect_faces(photo.pk, engine=engine)
            return engine.detect(image, detail=detail)

    assert photos.detect_faces(photo.pk, engine=Stalls()) is None  # type: ignore[arg-type]
    face = photo.faces.get()
    assert files(photo) == {"original.jpg", "picture.jpg", "thumbnail.jpg", f"{face.pk}.png"}


def test_a_listener_that_fails_hears_it_again_from_the_sweep(
    engine: Engine, known: ExactGallery
) -> None:
    answers: list[Any] = []

    def listen(sender: object, photo_id: Any, **_: object) -> None:
        answers.append(photo_id)
        if len(answers) == 1:
            raise RuntimeError("the listener died")

    photo_recognised.connect(listen)
    try:
        photo = make.recognised(make.upload("coffee.png"), engine=engine, known=known)
        assert photo.published_at is None
        assert publishing.publish_the_unheard() == 0
        Photo.objects.update(
            finished_at=timezone.now() - timedelta(seconds=publishing.PUBLISH_GRACE + 1)
        )
        assert publishing.publish_the_unheard() == 1
        assert publishing.publish_the_unheard() == 0
    finally:
        photo_recognised.disconnect(listen)
    assert answers == [photo.pk, photo.pk]


def test_deleting_photos_takes_files_faces_and_known_faces(
    engine: Engine, known: ExactGallery, django_capture_on_commit_callbacks: Any
) -> None:
    photo = make.recognised(
        make.upload("hopper.jpg", person=make.person()), engine=engine, known=known
    )
    with django_capture_on_commit_callbacks(execute=True):
        assert photos.delete_photos([photo]) == 1
    assert not Face.objects.exists()
    assert not Embedding.objects.exists()
    assert not Path(default_storage.path(photo.folder)).exists()
    known.refresh()
    assert len(known) == 0


def test_a_photo_of_thirty_faces_is_done_with_each_person_once(
    engine: Engine, known: ExactGallery
) -> None:
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    photo = make.recognised(stored_bytes(thirty_faces()), engine=engine, known=known)
    assert (photo.stage, photo.faces.count()) == ("done", 30)
    from_left = list(photo.faces.order_by("index").values_list("x", flat=True))
    assert from_left == sorted(from_left)
    assert photo.sightings.get().person == person
