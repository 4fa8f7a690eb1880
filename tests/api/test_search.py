"""Who is this? The worker is the real one's code, run beside the request."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection
from rest_framework.test import APIClient

from demo import photos as demo_photos
from ledger import queues
from recognition import searches
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Photo, Search
from tests import make
from tests.api.conftest import picture, problem, token_client

URL = "/api/v1/search/"


def search_files() -> set[Path]:
    """The pictures of questions that are stored now."""
    return set((Path(settings.MEDIA_ROOT) / "searches").glob("*"))


@pytest.mark.django_db(transaction=True)
def test_says_who_it_is_and_keeps_nothing(
    photos_folder: Any, engine: Engine, known: Gallery
) -> None:
    client = token_client(make.user(is_superuser=True))
    person = make.person("Barack Obama")
    make.recognised(make.upload(OBAMA[0], person=person), engine=engine, known=known)
    photos_before, files_before = Photo.objects.count(), search_files()

    def answer_when_asked() -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if search := Search.objects.first():
                searches.answer_search(search.pk, engine=engine, known=known)
                break
            time.sleep(0.02)
        connection.close()

    worker = threading.Thread(target=answer_when_asked)
    worker.start()
    content = ContentFile(demo_photos.path(OBAMA[1]).read_bytes(), name="who.jpg")
    answer = client.post(URL, {"image": content})
    worker.join()
    assert answer.status_code == 200
    (face,) = answer.json()["faces"]
    assert set(face) == {"box", "score", "quality", "candidates"}
    assert face["candidates"][0]["person"] == {"id": str(person.pk), "name": "Barack Obama"}
    assert face["candidates"][0]["rank"] == 1
    assert not Search.objects.exists()
    assert search_files() == files_before
    assert Photo.objects.count() == photos_before


OBAMA = [photo.name for photo in demo_photos.PHOTOS if "Obama" in photo.person and photo.faces == 1]


def test_without_a_worker_it_gives_up_in_time(
    operator: APIClient, settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.SEARCH_TIMEOUT = 0.2
    with django_capture_on_commit_callbacks(execute=True):
        problem(operator.post(URL, {"image": picture()}), 504, "no_worker")
    assert queues.length() == 1
    assert not Search.objects.exists()


def test_bad_pictures_are_refused_at_once(operator: APIClient, settings: Any) -> None:
    text = ContentFile(b"text", name="a.jpg")
    problem(operator.post(URL, {"image": text}), 400, "unsupported_format")
    problem(operator.post(URL), 400, "validation")
    problem(operator.post(URL, {}, format="json"), 415, "unsupported_media_type")
    settings.MAX_UPLOAD_BYTES = 100
    problem(operator.post(URL, {"image": picture()}), 413, "too_large")


def test_needs_the_permission(uploader: APIClient) -> None:
    problem(uploader.post(URL, {"image": picture()}), 403, "permission_denied")
    problem(APIClient().post(URL, {"image": picture()}), 401, "not_authenticated")
