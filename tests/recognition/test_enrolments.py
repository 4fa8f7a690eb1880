"""Enrolling by a photo, on real faces: one good face, no sighting, and nothing left of what is deleted meanwhile."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from demo import photos as demo_photos
from recognition import people, photos, publishing
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.models import Face, KnownFace, Photo, Sighting
from tests import make
from tests.pictures import shrunk, side_by_side

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


def test_a_person_enrolled_now_is_found_in_the_next_photo(
    engine: Engine, known: ExactGallery
) -> None:
    make.recognised(make.upload("obama-2012.jpg"), engine=engine, known=known)
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    photo = make.recognised(make.upload("obama-2010.jpg"), engine=engine, known=known)
    assert photo.sightings.get().person == person


@pytest.mark.parametrize(
    ("name", "code"), [("coffee.png", "no_face"), ("two", "many_faces"), ("small", "low_quality")]
)
def test_an_enrolment_needs_one_good_face(
    name: str, code: str, engine: Engine, known: ExactGallery
) -> None:
    if name == "two":
        data = side_by_side("sunak.jpg", "hopper.jpg")
    elif name == "small":
        data = shrunk("hopper.jpg", longest=110)
    else:
        data = demo_photos.path(name).read_bytes()
    photo = photos.store_photo(ContentFile(data, name="x"), owner=None, person=make.person()).photo
    make.recognised(photo, engine=engine, known=known)
    photo.refresh_from_db()
    assert (photo.stage, photo.error_code) == ("failed", code)
    assert photo.error_detail.endswith(".")
    assert not KnownFace.objects.exists()


def test_an_enrolment_is_no_sighting_and_not_published(
    engine: Engine, known: ExactGallery, heard: list[Any]
) -> None:
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    make.recognised(make.upload("obama-2012.jpg", person=person), engine=engine, known=known)
    assert person.known_faces.count() == 2
    assert not Sighting.objects.exists()
    assert heard == []
    assert publishing.publish_the_unheard() == 0


def test_who_is_enrolled_while_a_photo_is_searched_for_is_found_on_it(
    engine: Engine, known: ExactGallery
) -> None:
    person = make.person("Barack Obama")
    enrolment = make.upload("obama-2009.jpg", person=person)
    photo = make.upload("obama-2012.jpg")
    photos.detect_faces(photo.pk, engine=engine)

    class EnrolsMeanwhile:
        """The gallery of a worker that looks just before somebody is enrolled."""

        settle = known.settle

        def search(self, *args: Any, **kwargs: Any) -> Any:
            found = known.search(*args, **kwargs)
            if not KnownFace.objects.exists():
                other = ExactGallery(engine)
                make.recognised(enrolment, engine=engine, known=other)
            return found

    photos.recognise_faces(photo.pk, engine=engine, known=EnrolsMeanwhile())
    assert photo.sightings.get().person == person


@pytest.mark.parametrize("what", ["photo", "person"])
def test_an_enrolment_deleted_while_in_work_leaves_nothing(
    what: str, engine: Engine, known: ExactGallery, django_capture_on_commit_callbacks: Any
) -> None:
    person = make.person()
    photo = make.upload("hopper.jpg", person=person)

    class DeletesMeanwhile:
        """The engine of a worker whose photo is deleted while it looks."""

        name = engine.name

        def detect(self, image: Any, *, detail: Any) -> Any:
            with django_capture_on_commit_callbacks(execute=True):
                if what == "photo":
                    photos.delete_photos([photo])
                else:
                    people.delete_people([person])
            return engine.detect(image, detail=detail)

    assert photos.detect_faces(photo.pk, engine=DeletesMeanwhile()) is None  # type: ignore[arg-type]
    assert not Photo.objects.exists()
    assert not Face.objects.exists()
    assert not Path(default_storage.path(photo.folder)).exists()
