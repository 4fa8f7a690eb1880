"""The models and the gallery of this worker process, loaded once."""

import functools

from django.conf import settings

from recognition import engine as engines
from recognition.engine import Engine
from recognition.gallery import Gallery


def engine() -> Engine:
    """Return the engine that FACEWATCH_ENGINE names, loaded at the first call. Raises `engine.EngineError`."""
    return engines.load(settings.ENGINE)


@functools.cache
def known() -> Gallery:
    """Return this process's gallery; every search refreshes it."""
    return Gallery(engine=engine().name, dimensions=engine().dimensions)
