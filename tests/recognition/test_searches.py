"""Who is this? Answered by a worker, kept by nobody."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import override_settings
from django.utils import timezone

from demo import photos as demo_photos
from recognition import photos, searches
from recognition.engine import Engine, ImageError
from recognition.gallery import Gallery
from recognition.models import Face, Search
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


def asked(name: str = "obama-2012.jpg", *, half: bool = False) -> Search:
    data = demo_photos.path(name).read_bytes()
    return searches.ask(ContentFile(data[: len(data) // 2] if half else data, name=name))


def nothing_is_left(search: Search) -> bool:
    return not Search.objects.exists() and not default_storage.exists(str(search.image.name))


def test_the_answer_names_the_person_and_nothing_is_kept(engine: Engine, known: Gallery) -> None:
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    before = Face.objects.count()
    search = asked()
    searches.answer_search(search.pk, engine=engine, known=known)
    (face,) = searches.wait_for_answer(search, seconds=0)
    assert face["candidates"][0]["person"] == {"id": str(person.pk), "name": "Barack Obama"}
    assert face["candidates"][0]["distance"] < 0.5
    assert set(face["box"]) == {"x", "y", "width", "height"}
    assert Face.objects.count() == before
    assert nothing_is_left(search)


def test_a_face_of_nobody_known_has_no_candidates(engine: Engine, known: Gallery) -> None:
    search = asked("hopper.jpg")
    searches.answer_search(search.pk, engine=engine, known=known)
    assert [face["candidates"] for face in searches.wait_for_answer(search, seconds=0)] == [[]]


def test_without_a_worker_the_asker_is_told_and_nothing_is_kept() -> None:
    search = asked()
    with pytest.raises(searches.NoWorker, match=r"within 0\.1 s"):
        searches.wait_for_answer(search, seconds=0.1)
    assert nothing_is_left(search)


def test_an_answer_that_comes_too_late_is_dropped(engine: Engine, known: Gallery) -> None:
    search = asked()
    searches._forget(search)
    searches.answer_search(search.pk, engine=engine, known=known)
    assert not Search.objects.exists()


def test_an_asker_who_leaves_while_the_worker_looks_is_no_error(
    engine: Engine, known: Gallery
) -> None:
    search = asked()

    class Leaves:
        """The engine of a worker whose asker leaves while it looks."""

        name, thresholds = engine.name, engine.thresholds

        def detect(self, image: Any, *, detail: Any = None) -> list[Any]:
            searches._forget(search)
            return []

        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

    searches.answer_search(search.pk, engine=Leaves(), known=known)
    assert not Search.objects.exists()


def test_a_truncated_photo_is_refused_with_its_code(engine: Engine, known: Gallery) -> None:
    search = asked(half=True)
    searches.answer_search(search.pk, engine=engine, known=known)
    with pytest.raises(searches.SearchFailed) as caught:
        searches.wait_for_answer(search, seconds=0)
    assert caught.value.code == "unreadable_image"
    assert nothing_is_left(search)


def test_a_photo_that_vanished_is_said(engine: Engine, known: Gallery) -> None:
    search = asked()
    default_storage.delete(str(search.image.name))
    searches.answer_search(search.pk, engine=engine, known=known)
    with pytest.raises(searches.SearchFailed) as caught:
        searches.wait_for_answer(search, seconds=0)
    assert caught.value.code == "file_missing"


def test_what_is_no_photo_or_too_large_is_refused_at_once() -> None:
    with pytest.raises(ImageError):
        searches.ask(ContentFile(b"text", name="x.jpg"))
    with override_settings(MAX_UPLOAD_BYTES=10), pytest.raises(photos.TooLarge):
        asked()
    assert not Search.objects.exists()


def test_searches_that_nobody_waits_for_are_forgotten() -> None:
    old, new = asked(), asked("hopper.jpg")
    past = timezone.now() - timedelta(seconds=searches.FORGET_SECONDS + 1)
    Search.objects.filter(pk=old.pk).update(created_at=past)
    assert searches.forget_the_unheard() == 1
    assert Search.objects.get() == new
    assert not default_storage.exists(str(old.image.name))
