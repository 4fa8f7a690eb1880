"""The engine and the demo's photos, decoded once; nothing here needs a database."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from recognition import engine as engines
from recognition.engine import Chip, Detection, Embeddings, Engine, Image, cut_chip, decode


@pytest.fixture(scope="session", params=sorted(engines.MODULES))
def engine(request: pytest.FixtureRequest) -> Engine:
    """Return each engine in turn; a module about one of them parametrizes it indirectly."""
    return engines.load(request.param)


@pytest.fixture(scope="session")
def photo(photos_folder: Path) -> Callable[[str], Image]:
    """Return a demo photo by name; tests must not write into it."""

    @functools.cache
    def read(name: str) -> Image:
        pixels = decode(photos_folder / name)
        pixels.setflags(write=False)
        return pixels

    return read


@pytest.fixture(scope="session")
def the_face(engine: Engine, photo: Callable[[str], Image]) -> Callable[[str], Detection]:
    """Return the one face of a demo photo."""

    @functools.cache
    def find(name: str) -> Detection:
        (detection,) = engine.detect(photo(name))
        return detection

    return find


@pytest.fixture(scope="session")
def embed_from_photo(engine: Engine) -> Callable[[Image, Detection], Embeddings]:
    """Return the embedding (1, D) of a face aligned from the full photo, without any chip in between."""

    def embed(image: Image, detection: Detection) -> Embeddings:
        whole = Chip(pixels=image, landmarks=detection.landmarks, scale=1.0)
        return engine.embed([engine.align(whole)])

    return embed


@pytest.fixture(scope="session")
def embed_from_chip(engine: Engine) -> Callable[[Image, Detection], Embeddings]:
    """Return the embedding (1, D) of a face by way of its chip."""

    def embed(image: Image, detection: Detection) -> Embeddings:
        return engine.embed([engine.align(cut_chip(image, detection))])

    return embed
