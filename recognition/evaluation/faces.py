"""The faces of a folder of people, as numbers."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognition import engine as engines
from recognition.engine import Detection, Embedding, EngineError, Picture

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class EvaluationError(EngineError):
    """The folder or the list of pairs cannot be measured; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Faces:
    """Photos in order of person and name: row i of `embeddings`, (N, D) float32, is the main face of `paths[i]`.

    people holds (N,) numbers, equal for the same person; found is False where a photo has no face, and its row is 0.
    """

    paths: list[Path]
    people: npt.NDArray[np.intp]
    found: npt.NDArray[np.bool_]
    embeddings: npt.NDArray[np.float32]


def list_photos(folder: Path) -> list[Path]:
    """Return the photos in the folders below, a folder per person. Raises EvaluationError for fewer than two people."""
    photos = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in SUFFIXES)
    if len({path.parent for path in photos}) <= 1:
        raise EvaluationError(
            f"{folder} has photos of fewer than two people; name a folder that holds a folder per person."
        )
    return photos


def describe(photos: Sequence[Path], *, engine: str, processes: int) -> Iterator[Embedding | None]:
    """Yield the embedding of the main face of each photo, in order; None without a face or for an unreadable file."""
    if processes == 1:
        yield from map(partial(_describe, engine=engine), photos)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(partial(_describe, engine=engine), photos, chunksize=8)


def collect(photos: Sequence[Path], embeddings: Sequence[Embedding | None]) -> Faces:
    """Return photos and embeddings as one table. Raises EvaluationError if no photo has a face."""
    dimensions = next((len(vector) for vector in embeddings if vector is not None), None)
    if dimensions is None:
        raise EvaluationError("No photo has a face; is it a folder of photos of people?")
    codes = {person: code for code, person in enumerate(sorted({path.parent for path in photos}))}
    return Faces(
        paths=list(photos),
        people=np.array([codes[path.parent] for path in photos]),
        found=np.array([vector is not None for vector in embeddings]),
        embeddings=np.array(
            [np.zeros(dimensions) if vector is None else vector for vector in embeddings],
            dtype=np.float32,
        ),
    )


def _describe(photo: Path, *, engine: str) -> Embedding | None:
    model = engines.load(engine)
    try:
        picture = engines.open_photo(photo)
        detections = model.detect(picture)
        if not detections:
            return None
        main = min(detections, key=partial(distance_from_middle, picture=picture))
        chip = engines.cut_chip(picture, main)
    except engines.ImageError:
        return None
    embedding: Embedding = model.embed([model.align(chip)])[0]
    return embedding


def distance_from_middle(detection: Detection, *, picture: Picture) -> float:
    """Return how many of its own widths a face is off the middle: the protocol of LFW means the face in the middle."""
    x, y = detection.box.centre
    return float(np.hypot(x - picture.width / 2, y - picture.height / 2) / detection.box.width)
