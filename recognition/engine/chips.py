"""Cut a face out of its photo so that the photo is never needed again, by any engine."""

from math import ceil, floor

import numpy as np
from PIL import Image as pillow

from recognition.engine.types import Chip, Detection, Image

#: The side of the crop in sides of the face's box. dlib's aligned square is about as large as its box and SFace's 1.3
#: times; either fits when the head is tilted by 45 degrees (a factor of 1.41), with room to detect the face again.
MARGIN = 2.0

#: Pixels of the longest side. A box is then up to 160 px, just above the 150 px (dlib) and 112 px (SFace) that the
#: models take, so that scaling down loses little that they would have seen.
LONGEST = 320


def cut_chip(image: Image, detection: Detection) -> Chip:
    """Return an upright crop round a face, at most LONGEST px a side, never enlarged.

    It is twice as large as the face's box, less what lies outside the photo. Store it lossless (`images.encode_png`).
    Faces up to 158 px wide lose nothing. For larger ones dlib's embedding moves by 0.03 (0.07 at most; landmarks one
    pixel off at that size move it by 0.09), and the distance of two faces by 0.002 (0.03 at most).
    """
    height, width = image.shape[:2]
    centre_x, centre_y = detection.box.centre
    half = MARGIN * max(detection.box.width, detection.box.height) / 2
    left, right = max(0, floor(centre_x - half)), min(width, ceil(centre_x + half) + 1)
    top, bottom = max(0, floor(centre_y - half)), min(height, ceil(centre_y + half) + 1)
    crop = image[top:bottom, left:right]
    origin = np.array([left, top], dtype=np.float32)
    longest = max(crop.shape[:2])
    if longest <= LONGEST:
        return Chip(pixels=crop.copy(), landmarks=detection.landmarks - origin, scale=1.0)
    size = np.array([right - left, bottom - top], dtype=np.float32)
    target = np.maximum(1, np.round(size * LONGEST / longest)).astype(int)
    pixels = pillow.fromarray(crop).resize(
        (int(target[0]), int(target[1])), pillow.Resampling.LANCZOS
    )
    # Coordinates name the centres of pixels, scaling moves their edges: hence the halves.
    landmarks = (detection.landmarks - origin + 0.5) * (target / size) - 0.5
    return Chip(
        pixels=np.asarray(pixels), landmarks=landmarks.astype(np.float32), scale=LONGEST / longest
    )
