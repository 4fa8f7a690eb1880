"""Faces in photos, without Django: find them, turn them into numbers, compare them.

    >>> from recognition import engine
    >>> model, photo = engine.load(), engine.open_photo("group.jpg")
    >>> faces = model.embed([model.align(engine.cut_chip(photo, face)) for face in model.detect(photo)])

`faces` is (N, 128) float32, a row a face from left to right; `model.distances(faces, faces)` says how alike they are.
Importing this package loads no model, and not the libraries that run them.
"""

import importlib
from typing import cast

from recognition.engine.chips import cut_chip
from recognition.engine.images import (
    ImageError,
    ImageInfo,
    decode,
    encode_jpeg,
    encode_png,
    inspect,
)
from recognition.engine.metrics import distances
from recognition.engine.pictures import Picture, open_photo
from recognition.engine.protocol import Engine
from recognition.engine.quality import MINIMUM_FOR_ENROLMENT, Quality, assess
from recognition.engine.templates import fuse, person_distances
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Box,
    Chip,
    Detail,
    Detection,
    Distances,
    Embedding,
    Embeddings,
    EngineError,
    Image,
    Keypoints,
    Landmarks,
    Thresholds,
)
from recognition.engine.weights import WeightsError

__all__ = [
    "DIMENSIONS",
    "MINIMUM_FOR_ENROLMENT",
    "THRESHOLDS",
    "Box",
    "Chip",
    "Detail",
    "Detection",
    "Distances",
    "Embedding",
    "Embeddings",
    "Engine",
    "EngineError",
    "Image",
    "ImageError",
    "ImageInfo",
    "Keypoints",
    "Landmarks",
    "Picture",
    "Quality",
    "Thresholds",
    "WeightsError",
    "assess",
    "cut_chip",
    "decode",
    "distances",
    "encode_jpeg",
    "encode_png",
    "fuse",
    "inspect",
    "load",
    "open_photo",
    "person_distances",
]

#: The module of each engine, which has a `load()`. Named, not imported: the web process imports this package, and the
#: models hold the GIL for so long that they must never come into that process, not even by accident.
MODULES = {
    "dlib": "recognition.engine.dlibresnet",
    "opencv": "recognition.engine.opencvsface",
}

#: How many numbers describe a face, by engine; known without loading a model.
DIMENSIONS = {"dlib": 128, "opencv": 128}


def load(name: str = "opencv") -> Engine:
    """Return the engine of that name with its models in memory, one per process: a second call returns the same.

    Raises EngineError for an unknown name, and WeightsError when a model's file is missing or altered.
    """
    if name not in MODULES:
        raise EngineError(
            f"There is no engine {name!r}. Choose one of: {', '.join(sorted(MODULES))}."
        )
    return cast(Engine, importlib.import_module(MODULES[name]).load())
