"""Where the eyes are among the five points of a face, known without loading the engine that found them."""

from collections.abc import Sequence
from typing import Any

from recognition.engine.types import EngineError, Landmarks, Point

#: By engine, the rows of its landmarks between which an eye's centre lies: the left eye's, then the right one's, as
#: seen in the picture of an upright face. YuNet names the centres themselves, dlib's model the corners of the eyes.
ROWS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "opencv": ((0,), (1,)),
    "dlib": ((2, 3), (0, 1)),
}


def eyes(engine: str, landmarks: Landmarks | Sequence[Sequence[float]]) -> tuple[Point, Point]:
    """Return the centres of the left and the right eye, in the pixels of the landmarks.

    Of a face that stands on its head the left one is on the right. Raises EngineError for an unknown engine.
    """
    if engine not in ROWS:
        raise EngineError(f"There is no engine {engine!r}. Choose one of: {', '.join(ROWS)}.")
    left, right = ([landmarks[row] for row in rows] for rows in ROWS[engine])
    return _mean(left), _mean(right)


def _mean(points: Sequence[Any]) -> Point:
    x, y = (sum(float(point[axis]) for point in points) / len(points) for axis in (0, 1))
    return x, y
