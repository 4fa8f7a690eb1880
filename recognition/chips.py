"""The stored chips of faces, as the engine at hand takes them."""

from typing import BinaryIO, cast

import numpy as np
from django.conf import settings
from django.core.files.storage import default_storage

from recognition import engine as engines
from recognition.engine import Chip, Detection, Engine
from recognition.models import Face


def read(face: Face) -> Chip:
    """Return a stored chip with the landmarks of `face.engine`. Raises FileNotFoundError if it is gone."""
    with default_storage.open(face.chip_name) as file:
        pixels = engines.decode(cast("BinaryIO", file), max_pixels=settings.MAX_PIXELS)
    landmarks = np.array(face.landmarks, dtype=np.float32)
    return Chip(pixels=pixels, landmarks=landmarks, scale=face.chip_scale)


def read_for(engine: Engine, face: Face) -> Chip | None:
    """Return a stored chip with landmarks of this engine, looked for anew if another engine found the face.

    None if this engine finds no face there; else its landmarks are stored for the next time. Raises FileNotFoundError
    if the chip is gone.
    """
    chip = read(face)
    if face.engine == engine.name:
        return chip
    found = [detection for detection in engine.detect(chip.pixels) if _covers(detection, chip)]
    if not found:
        return None
    largest = max(found, key=lambda detection: detection.box.width * detection.box.height)
    face.engine, face.landmarks = engine.name, largest.landmarks.tolist()
    Face.objects.filter(pk=face.pk).update(engine=face.engine, landmarks=face.landmarks)
    return Chip(pixels=chip.pixels, landmarks=largest.landmarks, scale=chip.scale)


def _covers(detection: Detection, chip: Chip) -> bool:
    """Return whether a face stands where the other engine's landmarks are: beside it may be a part of a neighbour's."""
    x, y = chip.landmarks.mean(axis=0)
    box = detection.box
    return bool(box.x <= x <= box.x + box.width and box.y <= y <= box.y + box.height)
