"""What a detector is shown of a photo: the whole of it at the size where it sees best."""

import numpy as np
from PIL import Image as pillow

from recognition.engine.types import Image


def fit(image: Image, *, longest: int, enlarge_below: int = 0) -> tuple[Image, float]:
    """Return the picture for the detector, and how many pixels of the image one of its pixels covers.

    An image with a side above `longest` is scaled down to it; one with no side above `enlarge_below` is doubled.
    """
    height, width = image.shape[:2]
    scale = max(height, width) / longest
    if scale <= 1:
        if max(height, width) > enlarge_below:
            return image, 1.0
        scale = 0.5
    size = max(1, round(width / scale)), max(1, round(height / scale))
    picture = pillow.fromarray(image).resize(size, pillow.Resampling.BILINEAR, reducing_gap=2)
    return np.asarray(picture), scale
