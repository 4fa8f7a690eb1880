"""What a detector is shown of a photo: all of it at sizes that suit the detector, if need be in tiles.

A detector knows faces of a certain range of pixels. `levels` says at which scales it has to look so that every face
from a least size to the whole picture falls into that range, and `cut` what it is shown of the photo at each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from recognition.engine.types import Image

#: Points (N, 2): x, y, in pixels; as everywhere, whole numbers are the centres of pixels.
Points: TypeAlias = npt.NDArray[np.float32]

#: x, y, width and height, in pixels; the edges of pixels are whole numbers.
Box: TypeAlias = tuple[float, float, float, float]

#: What ends within so many pixels of the rim of a tile is a part of something that the neighbour has whole.
RIM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A picture of a part of the photo, whose upper left corner lies at (left, top) in the photo.

    scale is how many pixels of the photo one of its pixels covers, across and down: 2 shows it at half its size.
    """

    pixels: Image = field(compare=False)
    scale: tuple[float, float]
    left: float = 0
    top: float = 0

    def to_photo(self, points: Points) -> Points:
        """Return points of this picture in pixels of the photo."""
        # Points name the centres of pixels, scaling moves their edges: hence the halves.
        moved = (points + 0.5) * np.array(self.scale) - 0.5 + np.array([self.left, self.top])
        return np.asarray(moved, dtype=np.float32)

    def box_to_photo(self, box: Box) -> Box:
        """Return a box of this picture in pixels of the photo."""
        x, y, width, height = box
        across, down = self.scale
        return self.left + x * across, self.top + y * down, width * across, height * down

    def cuts(self, box: Box, *, photo: Image) -> bool:
        """Return whether the rim of this tile may cut what is in the box; the photo's own rim does not count."""
        height, width = self.pixels.shape[:2]
        x, y, across, down = box
        right = round(self.left + width * self.scale[0]) < photo.shape[1]
        bottom = round(self.top + height * self.scale[1]) < photo.shape[0]
        return (
            (self.left > 0 and x < RIM)
            or (self.top > 0 and y < RIM)
            or (right and x + across > width - RIM)
            or (bottom and y + down > height - RIM)
        )


def levels(longest: int, *, scale: float, step: float, least: int) -> list[float]:
    """Return the scales at which a photo with this longest side is looked at, from the given one up by factors of step.

    The last one shows it with `least` pixels or less, or the first one does: then it is the only one.
    """
    scales = [scale]
    while longest / scales[-1] > least:
        scales.append(scales[-1] * step)
    return scales


class Resize(Protocol):
    """Something that brings pictures to a size."""

    def __call__(self, picture: Image, *, width: int, height: int) -> Image:
        """Return the picture with so many pixels across and down."""


def cut(
    image: Image, *, scale: float, largest: int, overlap: int, resize: "Resize | None" = None
) -> Iterator[View]:
    """Yield the photo at this scale in tiles of at most `largest` pixels a side, all of one size.

    Neighbours share at least `overlap` pixels, so that whatever is smaller than that is whole in one of them.
    Pillow resizes unless told otherwise.
    """
    rows = _spread(image.shape[0], scale=scale, largest=largest, overlap=overlap)
    columns = _spread(image.shape[1], scale=scale, largest=largest, overlap=overlap)
    for top, bottom in rows:
        for left, right in columns:
            tile = image[top:bottom, left:right]
            width, height = _shrunk(right - left, scale), _shrunk(bottom - top, scale)
            same = tile.shape[:2] == (height, width)
            yield View(
                pixels=tile if same else (resize or _resize)(tile, width=width, height=height),
                # Not `scale` exactly: a picture has whole pixels.
                scale=((right - left) / width, (bottom - top) / height),
                left=left,
                top=top,
            )


def turn(picture: Image, quarters: int) -> Image:
    """Return the picture turned by so many quarters, counterclockwise; turned it is an array of its own."""
    return np.rot90(picture, quarters).copy() if quarters else picture


def turn_back(points: Points, *, quarters: int, width: int, height: int) -> Points:
    """Return points of `turn(picture, quarters)` as those of the picture, which is width × height pixels."""
    x, y = points[:, 0], points[:, 1]
    turned = {
        0: (x, y),
        1: (width - 1 - y, x),
        2: (width - 1 - x, height - 1 - y),
        3: (y, height - 1 - x),
    }[quarters]
    return np.stack(turned, axis=1).astype(np.float32)


def turn_box_back(box: Box, *, quarters: int, width: int, height: int) -> Box:
    """Return a box of `turn(picture, quarters)` as that of the picture, which is width × height pixels."""
    x, y, across, down = box
    return {
        0: (x, y, across, down),
        1: (width - y - down, x, down, across),
        2: (width - x - across, height - y - down, across, down),
        3: (y, height - x - across, down, across),
    }[quarters]


def _spread(side: int, *, scale: float, largest: int, overlap: int) -> list[tuple[int, int]]:
    """Return where the tiles begin and end along one side of the photo, in its pixels."""
    seen = _shrunk(side, scale)
    if seen <= largest:
        return [(0, side)]
    count = ceil((seen - overlap) / (largest - overlap))
    length = min(side, ceil((seen + (count - 1) * overlap) / count * scale))
    starts = np.linspace(0, side - length, count).round().astype(int).tolist()
    return [(start, start + length) for start in starts]


def _shrunk(side: int, scale: float) -> int:
    return max(1, round(side / scale))


def _resize(picture: Image, *, width: int, height: int) -> Image:
    whole = pillow.fromarray(picture)
    return np.asarray(whole.resize((width, height), pillow.Resampling.BILINEAR, reducing_gap=2))
