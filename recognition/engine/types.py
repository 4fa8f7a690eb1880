"""The words of the engine: what goes into and comes out of every stage, with shapes and units.

Coordinates are pixels of the picture at hand: (0, 0) is the upper left pixel, x grows to the right, y downwards.
Nothing here knows a model: the dimensions, what a distance means and the scheme of the landmarks belong to the engine
that made them.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from math import hypot
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

#: A picture: (height, width, 3) uint8, RGB, upright.
Image: TypeAlias = npt.NDArray[np.uint8]

#: The five points of a face as its engine orders them: (5, 2) float32, each row x, y. No engine reads another's.
Landmarks: TypeAlias = npt.NDArray[np.float32]

#: One face as numbers: (D,) float32.
Embedding: TypeAlias = npt.NDArray[np.float32]

#: Faces as numbers, one a row: (N, D) float32.
Embeddings: TypeAlias = npt.NDArray[np.float32]

#: Every probe to every gallery row: (P, N) float32, 0 or more, smaller is more alike.
Distances: TypeAlias = npt.NDArray[np.float32]

#: x, y in pixels.
Point: TypeAlias = tuple[float, float]


class EngineError(Exception):
    """Anything that the engine refuses or misses; its text says what is wrong and what to do."""


class Detail(StrEnum):
    """How closely a photo is looked at; each engine says what it finds at which cost."""

    FAST = "fast"
    BALANCED = "balanced"
    THOROUGH = "thorough"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle of whole pixels that lies inside its image: `image[y : y + height, x : x + width]` is the face."""

    x: int
    y: int
    width: int
    height: int

    @property
    def centre(self) -> Point:
        """The middle of the rectangle, in pixel coordinates."""
        return self.x + (self.width - 1) / 2, self.y + (self.height - 1) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Keypoints:
    """The three points that every engine can tell, whatever its landmarks; left and right as seen in the picture."""

    left_eye: Point
    right_eye: Point
    nose: Point

    @property
    def eye_distance(self) -> float:
        """The pixels between the centres of the eyes."""
        return hypot(self.right_eye[0] - self.left_eye[0], self.right_eye[1] - self.left_eye[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """One face found in an image, all in that image's pixels.

    score is the detector's own confidence, comparable within one engine only; higher is surer.
    """

    box: Box
    landmarks: Landmarks = field(compare=False)
    score: float
    keypoints: Keypoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One face cut out with a margin: all that is needed to align and embed it later, without the photo.

    landmarks are in pixels of the chip. scale is chip pixels per pixel of the photo, 1 or less.
    """

    pixels: Image = field(compare=False)
    landmarks: Landmarks = field(compare=False)
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Distances of an engine: within `candidate` a person is shown, within `alert` somebody is told.

    fpir is the share of strangers' photos within `alert` of anybody where 100 people are watched by three photos each,
    fnir that of the watched people's photos that are not within it of the right person; both as measured, 0 to 1.
    Within `certain` no stranger of that measurement came. Where the next other person is less than `ambiguous` farther,
    it is not clear who it is.
    """

    candidate: float
    alert: float
    fpir: float
    fnir: float
    certain: float
    ambiguous: float
