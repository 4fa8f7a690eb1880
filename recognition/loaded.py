"""The models and the gallery of this worker process, loaded once."""

import functools

from django.conf import settings

from recognition import engine as engines
from recognition import matching, reembedding
from recognition.engine import Engine
from recognition.gallery import parity, snapshots
from recognition.gallery.exact import ExactGallery
from recognition.gallery.indexed import IndexedGallery

#: Where the workers of a machine share the known faces.
FOLDER = settings.DATA_DIR / "gallery"


def engine() -> Engine:
    """Return the engine that FACEWATCH_ENGINE names, loaded at the first call. Raises `engine.EngineError`."""
    return engines.load(settings.ENGINE)


def start() -> None:
    """Load what the workers share. Raises `engine.EngineError`, also for known faces of another engine."""
    reembedding.check_gallery(settings.ENGINE)
    engine()
    if settings.GALLERY == parity.PGVECTOR:
        snapshots.remove(FOLDER)
        known()
    matching.load()


@functools.cache
def known() -> ExactGallery | IndexedGallery:
    """Return this process's gallery, held as FACEWATCH_GALLERY says; every search refreshes it.

    Raises indexed.NotPrepared for one in PostgreSQL that is not there.
    """
    if settings.GALLERY == parity.PGVECTOR:
        return IndexedGallery(engine())
    return ExactGallery(engine(), folder=FOLDER)
