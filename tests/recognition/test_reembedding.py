"""From one engine to the other: nobody is compared across, and the known people are found again."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import override_settings

from ledger.consumer import CannotLoad
from ledger.consumer import run as run_consumer
from recognition import engine as engines
from recognition import loaded, photos, reembedding
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.models import Embedding, Face, KnownFace, Photo, Sighting
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture
def dlib() -> Engine:
    return engines.load("dlib")


@pytest.fixture
def opencv() -> Engine:
    return engines.load("opencv")


def gallery(engine: Engine) -> ExactGallery:
    return ExactGallery(engine)


def enrolled(name: str, *, engine: Engine, person: str) -> KnownFace:
    photo = make.upload(name, person=make.person(person))
    make.recognised(photo, engine=engine, known=gallery(engine))
    return KnownFace.objects.get(face__photo=photo)


def reembed() -> str:
    output = StringIO()
    with override_settings(ENGINE="opencv"):
        call_command("enrol", re_embed=True, stdout=output)
    return output.getvalue()


def test_embeddings_of_two_engines_never_meet(dlib: Engine, opencv: Engine) -> None:
    enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    photo = make.recognised(make.upload("obama-2012.jpg"), engine=opencv, known=gallery(opencv))
    assert photo.stage == Photo.Stage.DONE
    assert not Sighting.objects.exists()
    assert Embedding.objects.get(face__photo=photo).engine == "opencv"


def test_known_people_are_recognised_by_the_other_engine_afterwards(
    dlib: Engine, opencv: Engine
) -> None:
    enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    enrolled("ardern-2018.jpg", engine=dlib, person="Ardern")
    assert "2 known faces are described by opencv" in reembed()
    photo = make.recognised(make.upload("obama-2012.jpg"), engine=opencv, known=gallery(opencv))
    sighting = Sighting.objects.get(photo=photo)
    assert sighting.person.name == "Obama"
    assert sighting.distance < opencv.thresholds.alert


def test_a_worker_that_holds_the_gallery_already_sees_the_new_embeddings(
    dlib: Engine, opencv: Engine
) -> None:
    known = gallery(opencv)
    enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    known.refresh()
    assert len(known) == 0
    reembed()
    known.refresh()
    assert len(known) == 1


def test_it_may_be_stopped_in_between_and_a_second_call_does_the_rest(
    dlib: Engine, opencv: Engine
) -> None:
    enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    enrolled("ardern-2018.jpg", engine=dlib, person="Ardern")
    next(reembedding.reembed(opencv))
    assert Embedding.objects.filter(engine="opencv").count() == 1
    assert [outcome.known_face.person.name for outcome in reembedding.reembed(opencv)] == ["Ardern"]
    assert list(reembedding.reembed(opencv)) == []


def test_a_face_that_cannot_be_described_is_named_and_keeps_its_photo(dlib: Engine) -> None:
    gone = enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    default_storage.delete(gone.face.chip_name)
    blank = enrolled("ardern-2018.jpg", engine=dlib, person="Ardern")
    empty = engines.encode_png(engines.decode(default_storage.path(blank.face.chip_name)) * 0)
    Path(default_storage.path(blank.face.chip_name)).write_bytes(empty)

    output = reembed()
    assert f"Obama, photo {gone.face.photo_id}: its file is gone; enrol a photo again." in output
    assert f"Ardern, photo {blank.face.photo_id}: no face is found in it any more" in output
    assert "0 known faces are described by opencv" in output
    assert KnownFace.objects.count() == 2
    # Nothing of the old engine is left: the service starts, and the person is known again by a better photo.
    reembedding.check_gallery("opencv")
    enrolled("ardern-2022.jpg", engine=engines.load("opencv"), person="Ardern")
    reembedding.check_gallery("opencv")


def test_a_gallery_of_another_engine_stops_every_start_with_what_to_do(dlib: Engine) -> None:
    reembedding.check_gallery("opencv")
    enrolled("obama-2010.jpg", engine=dlib, person="Obama")
    reembedding.check_gallery("dlib")
    advice = r"1 known faces .* engine dlib, .* opencv: .* enrol --re-embed, or set FACEWATCH_ENGINE=dlib"
    with override_settings(ENGINE="opencv"):
        with pytest.raises(CommandError, match=advice):
            call_command("prepare")
        with pytest.raises(CannotLoad, match=advice):
            run_consumer(workers_count=1, engine="opencv", load=loaded.start, names=["detect"])


def test_a_photo_whose_faces_the_other_engine_found_is_finished(
    dlib: Engine, opencv: Engine
) -> None:
    enrolled("obama-2010.jpg", engine=opencv, person="Obama")
    photo = make.upload("obama-2012.jpg")
    photos.detect_faces(photo.pk, engine=dlib)
    photos.recognise_faces(photo.pk, engine=opencv, known=gallery(opencv))
    photo.refresh_from_db()
    assert photo.stage == Photo.Stage.DONE
    assert Face.objects.get(photo=photo).engine == "opencv"
    sighting = Sighting.objects.get(photo=photo)
    assert sighting.person.name == "Obama"
    assert sighting.distance < opencv.thresholds.alert


def test_a_face_that_the_other_engine_does_not_see_is_left_out(
    dlib: Engine, opencv: Engine
) -> None:
    # dlib takes the helmet beside her for a second face.
    photo = make.upload("collins.png")
    photos.detect_faces(photo.pk, engine=dlib)
    photos.recognise_faces(photo.pk, engine=opencv, known=gallery(opencv))
    photo.refresh_from_db()
    assert photo.stage == Photo.Stage.DONE
    assert Face.objects.filter(photo=photo).count() == 2
    assert Embedding.objects.filter(face__photo=photo).count() == 1


@pytest.mark.parametrize("arguments", [[], ["somewhere", "--re-embed"]])
def test_enrol_wants_a_folder_or_the_option(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="either a folder"):
        call_command("enrol", *arguments)
