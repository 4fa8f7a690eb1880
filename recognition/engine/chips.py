"""Cut a face out of its photo so that the photo is never needed again, by any engine."""

from math import ceil, floor

import numpy as np
from PIL import Image as pillow

from recognition.engine.pictures import Picture, as_picture
from recognition.engine.types import Chip, Detection, Image

#: The side of the crop in sides of the face's box. dlib's aligned square is about as large as its box and SFace's 1.3
#: times; either fits when the head is tilted by 45 degrees (a factor of 1.41), with room to detect the face again.
MARGIN = 2.0

#: Pixels of the longest side. A box is then up to 160 px, just above the 150 px (dlib) and 112 px (SFace) that the
#: models take, so that scaling down loses little that they would have seen.
LONGEST = 320

#: Of large crops only every second, third … pixel is taken, as long as so many are left for each of the chip's, which
#: are then averaged. To photos it makes no difference, and it takes a third of the time.
PIXELS_LEFT = 2


def cut_chip(photo: Picture | Image, detection: Detection) -> Chip:
    """Return an upright crop round a face, at most LONGEST px a side, never enlarged.

    It is twice as large as the face's box, less what lies outside the photo. Store it lossless (`images.encode_png`).
    Faces whose box is up to 158 px lose nothing. For larger ones SFace's embedding moves by 0.005 (0.04 at most), and
    dlib's by 0.03 (0.07 at most; landmarks one pixel off at that size move it by 0.09).
    """
    picture = as_picture(photo)
    centre_x, centre_y = detection.box.centre
    half = MARGIN * max(detection.box.width, detection.box.height) / 2
    left, right = max(0, floor(centre_x - half)), min(picture.width, ceil(centre_x + half) + 1)
    top, bottom = max(0, floor(centre_y - half)), min(picture.height, ceil(centre_y + half) + 1)
    # As fine as for a face in the middle of the photo: where the border cuts the crop, it is smaller.
    fine = 2 * half / LONGEST
    view = picture.view(left=left, top=top, right=right, bottom=bottom, shrink=fine)
    crop = view.pixels
    origin = np.array([view.left, view.top])
    if max(right - left, bottom - top) <= LONGEST and max(view.scale) == 1:
        landmarks = (detection.landmarks - origin).astype(np.float32)
        return Chip(pixels=crop.copy(), landmarks=landmarks, scale=1.0)
    size = np.array(crop.shape[1::-1])
    target = np.maximum(1, np.round(size * min(1, LONGEST / size.max()))).astype(int)
    step = max(1, size.max() // (PIXELS_LEFT * LONGEST))
    some = crop[(step - 1) // 2 :: step, (step - 1) // 2 :: step]
    pixels = pillow.fromarray(some).resize(
        (int(target[0]), int(target[1])), pillow.Resampling.HAMMING
    )
    scale = target / (size * view.scale)
    # Coordinates name the centres of pixels, scaling moves their edges: hence the halves.
    landmarks = ((detection.landmarks - origin + 0.5) * scale - 0.5).astype(np.float32)
    return Chip(pixels=np.asarray(pixels), landmarks=landmarks, scale=float(scale.max()))
