"""A photo that is decoded no further than somebody needs it.

Most faces in the photos of phones are so large that half the pixels show them as well. A JPEG can be decoded at a half,
a fourth or an eighth of its size, and takes the less time.
"""

import io
from collections.abc import Callable
from math import ceil, floor

import numpy as np

from recognition.engine import images
from recognition.engine.images import MAX_PIXELS, Source
from recognition.engine.types import Image
from recognition.engine.views import View

#: How much smaller than the photo a picture may be, and the least pixels that its longest side then has: it is also
#: what people are shown.
SHRINKS = (8, 4, 2)
LEAST_PIXELS = 1500


class Picture:
    """A photo of width × height pixels, upright. All that is said of places in it is in pixels of the whole photo.

    For one thread at a time.
    """

    def __init__(self, *, width: int, height: int, read: Callable[[int], Image]) -> None:
        """Take a size, and what returns the pixels at about 1/shrink (1, 2, 4 or 8) of it, or larger."""
        self.width = width
        self.height = height
        self._read = read
        self._shrink = 0
        self._pixels: Image | None = None

    def pixels(self, *, shrink: float = 1) -> Image:
        """Return the whole picture with up to `shrink` pixels of the photo, across and down, in one; often with fewer.

        It is decoded at the first call, and again if a finer one is needed than there is. Raises ImageError.
        """
        longest = max(self.width, self.height)
        fitting = (by for by in SHRINKS if by <= shrink and longest / by >= LEAST_PIXELS)
        wanted = next(fitting, 1)
        if self._pixels is None or wanted < self._shrink:
            self._pixels = self._read(wanted)
            # Only JPEG comes smaller.
            whole = self._pixels.shape[:2] == (self.height, self.width)
            self._shrink = 1 if whole else wanted
        return self._pixels

    def finest(self) -> Image:
        """Return the finest that was decoded so far; without any, all of it."""
        return self.pixels() if self._pixels is None else self._pixels

    def view(
        self, *, left: float, top: float, right: float, bottom: float, shrink: float = 1
    ) -> View:
        """Return a part of the picture, as fine as `pixels` gives it, cut at whole pixels of that."""
        pixels = self.pixels(shrink=shrink)
        across, down = self.width / pixels.shape[1], self.height / pixels.shape[0]
        x, y = max(0, floor(left / across)), max(0, floor(top / down))
        part = pixels[y : max(0, ceil(bottom / down)), x : max(0, ceil(right / across))]
        return View(pixels=part, scale=(across, down), left=x * across, top=y * down)

    def whole(self, *, shrink: float = 1) -> View:
        """Return all of the picture, as fine as `pixels` gives it."""
        return self.view(left=0, top=0, right=self.width, bottom=self.height, shrink=shrink)


def open_photo(file: Source, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Return a photo, not decoded yet, from a path or a binary file. Raises what `images.inspect` raises."""
    content = images.read(file)
    info = images.inspect(io.BytesIO(content), max_pixels=max_pixels)

    def read(shrink: int) -> Image:
        return images.decode(io.BytesIO(content), max_pixels=max_pixels, shrink=shrink)

    return Picture(width=info.width, height=info.height, read=read)


def as_picture(photo: "Picture | Image") -> Picture:
    """Return the photo as a Picture; pixels that are there already, (height, width, 3), are not copied."""
    if isinstance(photo, np.ndarray):
        return Picture(width=photo.shape[1], height=photo.shape[0], read=lambda _: photo)
    return photo
