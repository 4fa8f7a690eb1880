"""Who is this? A photo looked at by a worker while the asker waits; nothing of it is kept."""

import time
import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.utils import timezone

from ledger import crashpoints, intake, leases
from recognition import engine as engines
from recognition import matching, photos
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Person, Search

#: Seconds between two looks for the answer.
POLL_SECONDS = 0.05
#: Seconds after which a search that nobody waits for any more is removed.
FORGET_SECONDS = 120


class NoWorker(Exception):
    """No worker answered in time."""


class SearchFailed(Exception):
    """The photo cannot be searched: `code` and text say why."""

    def __init__(self, *, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def ask(file: "File[Any]") -> Search:
    """Store the question for a worker; the caller wakes it.

    Raises `engine.ImageError`, `photos.TooLarge` and `intake.Refused`.
    """
    if file.size > settings.MAX_UPLOAD_BYTES:
        raise photos.TooLarge(
            f"The file has {file.size} bytes, {settings.MAX_UPLOAD_BYTES} are accepted."
        )
    file.seek(0)
    engines.inspect(cast("BinaryIO", file), max_pixels=settings.MAX_PIXELS)
    file.seek(0)
    search = Search(stage=Search.Stage.ASKED)
    with intake.storing():
        search.image.name = default_storage.save(f"searches/{search.id}", file)
    search.save(force_insert=True)
    return search


def wait_for_answer(search: Search, *, seconds: float) -> list[dict[str, Any]]:
    """Return the faces with their candidates, then forget the search. Raises NoWorker and SearchFailed."""
    deadline = time.monotonic() + seconds
    try:
        while True:
            search.refresh_from_db(fields=["stage", "answer", "error_code", "error_detail"])
            if search.stage == Search.Stage.ANSWERED:
                return list(search.answer or [])
            if search.stage == Search.Stage.FAILED:
                raise SearchFailed(code=search.error_code, detail=search.error_detail)
            if time.monotonic() > deadline:
                raise NoWorker(f"No worker answered within {seconds:g} s.")
            time.sleep(POLL_SECONDS)
    finally:
        # Where the storage does not answer by now, the sweep forgets it.
        with suppress(leases.StorageUnavailable):
            _forget(search)


def answer_search(search_id: uuid.UUID | str, *, engine: Engine, known: Gallery) -> None:
    """Look at the photo of one question and store the answer; a second call, or one too late, does nothing."""
    lease = leases.claim(Search, search_id, stage=Search.Stage.ASKED)
    if lease is None:
        return
    with leases.held(lease):
        try:
            with default_storage.open(str(lease.row.image.name)) as file:
                picture = engines.open_photo(cast("BinaryIO", file), max_pixels=settings.MAX_PIXELS)
            crashpoints.reach("search: photo read")
            answer = _look(picture, engine=engine, known=known)
        except FileNotFoundError as error:
            raise leases.Unfit("The photo of the search is gone.", code="file_missing") from error
        except engines.ImageError as error:
            raise leases.Unfit(str(error), code=error.code) from error
        # Somebody waits for it now, and nobody for an answer that a crash of the database forgot.
        leases.finish(lease, stage=Search.Stage.ANSWERED, is_durable=False, answer=answer)


def forget_the_unheard() -> int:
    """Remove searches whose asker is gone; return how many. Where the storage is away, the next call does."""
    now = timezone.now()
    waited_for = (now - timedelta(seconds=FORGET_SECONDS), now + timedelta(seconds=FORGET_SECONDS))
    forgotten = 0
    with suppress(leases.StorageUnavailable):
        for search in Search.objects.exclude(created_at__range=waited_for):
            _forget(search)
            forgotten += 1
    return forgotten


def _look(picture: engines.Picture, *, engine: Engine, known: Gallery) -> list[dict[str, Any]]:
    detections = engine.detect(picture, detail=settings.DETAIL)
    chips = [engines.cut_chip(picture, detection) for detection in detections]
    vectors = engine.embed([engine.align(chip) for chip in chips])
    matches = matching.match(vectors, engine=engine, known=known)
    names = Person.objects.in_bulk({match.person_id for match in matches})
    return [
        {
            "box": {
                "x": detection.box.x,
                "y": detection.box.y,
                "width": detection.box.width,
                "height": detection.box.height,
            },
            "score": detection.score,
            "quality": engines.assess(picture, detection).value,
            "candidates": [
                {
                    "person": {"id": str(match.person_id), "name": names[match.person_id].name},
                    "distance": match.distance,
                    "rank": match.rank,
                }
                for match in matches
                if match.face == index and match.person_id in names
            ],
        }
        for index, detection in enumerate(detections)
    ]


def _forget(search: Search) -> None:
    default_storage.delete(str(search.image.name))
    Search.objects.filter(pk=search.pk).delete()
