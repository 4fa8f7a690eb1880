"""What may be a face: YuNet's rows in pixels of the photo, the surest of several, and the detection one becomes."""

from dataclasses import dataclass

import numpy as np

from recognition.engine import merging, views
from recognition.engine.eyes import eyes
from recognition.engine.pictures import Picture
from recognition.engine.types import Box, Detection, Keypoints, Landmarks, Point
from recognition.engine.yunet import BOX, COLUMNS, POINTS, SCORE, Row

#: Candidates of one photo that are looked at closer at the most, the surest first: in a photo of 64 megapixels 20,000
#: faces of 40 px have room, and describing them would take a worker longer than its lease.
MOST_CANDIDATES = 1000


@dataclass(slots=True, kw_only=True)
class Candidate:
    """What may be a face: its row in pixels of the photo, and in which look it was seen.

    scale is how many pixels of the photo one of the look's was, quarters how often the look turned it by 90 degrees.
    """

    row: Row
    scale: float
    quarters: int


def box(row: Row) -> views.Box:
    """Return the box of a row, in its pixels."""
    x, y, width, height = row[BOX].tolist()
    return x, y, width, height


def turn_back(row: Row, *, quarters: int, width: int, height: int) -> Row:
    """Return a row of a picture that was turned by so many quarters in pixels of the picture, width × height pixels."""
    size = {"quarters": quarters, "width": width, "height": height}
    points = views.turn_back(row[POINTS].reshape(5, 2), **size)
    return _row(views.turn_box_back(box(row), **size), points, score=row[SCORE])


def to_photo(row: Row, view: views.View) -> Row:
    """Return a row of a view in pixels of the photo."""
    points = view.to_photo(row[POINTS].reshape(5, 2))
    return _row(view.box_to_photo(box(row)), points, score=row[SCORE])


def merge(candidates: list[Candidate]) -> list[Candidate]:
    """Return one candidate a face, the surest."""
    rows = np.array([candidate.row for candidate in candidates]).reshape(-1, COLUMNS)
    return [candidates[index] for index in merging.surest(rows[:, BOX], rows[:, SCORE])]


def describe(row: Row, *, picture: Picture, engine: str) -> Detection | None:
    """Return the detection for a row in pixels of the photo; None if its box lies outside."""
    x, y, across, down = row[BOX].tolist()
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(picture.width, round(x + across)), min(picture.height, round(y + down))
    if right <= left or bottom <= top:
        return None
    landmarks = row[POINTS].reshape(5, 2).astype(np.float32)
    return Detection(
        box=Box(x=left, y=top, width=right - left, height=bottom - top),
        landmarks=landmarks,
        score=float(row[SCORE]),
        keypoints=_keypoints(landmarks, engine=engine),
    )


def _row(box: views.Box, points: Landmarks, *, score: float) -> Row:
    return np.array([*box, *points.ravel(), score], dtype=np.float32)


def _keypoints(landmarks: Landmarks, *, engine: str) -> Keypoints:
    left, right = eyes(engine, landmarks)
    return Keypoints(left_eye=left, right_eye=right, nose=_point(landmarks[2]))


def _point(pair: Landmarks) -> Point:
    return float(pair[0]), float(pair[1])
