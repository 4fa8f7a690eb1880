"""The models and the gallery of this worker process, loaded once."""

import functools

from django.conf import settings

from recognition import engine as engines
from recognition import matching, reembedding
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.gallery.exact import ExactGallery


def engine() -> Engine:
    """Return the engine that FACEWATCH_ENGINE names, loaded at the first call. Raises `engine.EngineError`."""
    return engines.load(settings.ENGINE)


def start() -> None:
    """Load what the workers share. Raises `engine.EngineError`, also for known faces of another engine."""
    reembedding.check_gallery(settings.ENGINE)
    engine()
    matching.load()


@functools.cache
def known() -> Gallery:
    """Return this process's gallery; every search refreshes it."""
    return ExactGallery(engine(), folder=settings.DATA_DIR / "gallery")
