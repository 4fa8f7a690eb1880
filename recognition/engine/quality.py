"""Judge whether a face in a photo is good enough to know a person by.

Five measures, each turned into a mark from 0 to 1 on a scale whose middle is the least that an enrolment needs. The
limits were set on 1,491 photos of Labeled Faces in the Wild ("ordinary photos" below). Of these 99.8 % pass, and made
worse: of faces 30 px wide none, of those blurred with a radius of 4 % of the face none, at a tenth of the light none,
at four times the light 4 %.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image as pillow

from recognition.engine.pictures import Picture, as_picture
from recognition.engine.types import Detection, Image, Keypoints

#: The lowest quality value of a face that a person may be known by: the middle of every scale below.
MINIMUM_FOR_ENROLMENT = 0.5

#: Useless, just enough, and as good as it gets; the marks 0, 0.5 and 1, with straight lines between them.
Scale: TypeAlias = tuple[float, float, float]

#: Pixels between the eyes. Models see them 35 (SFace) to 52 px (dlib) apart; 20 px is a face about 50 px wide.
EYE_DISTANCE: Scale = (8, 20, 50)

#: Variance of the Laplacian over the variance of the grey levels, at FACE_SIZE px: the same in any light. 998 of 1,000
#: ordinary photos have more than 0.021; after a Gaussian blur with a radius of 4 % of the face all have less than
#: 0.007. The measure: Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, ICPR 2000.
SHARPNESS: Scale = (0.004, 0.013, 0.08)

#: Mean grey level, from 0 (black) to 255 (white); 998 of 1,000 ordinary photos have 56 to 187.
DARK: Scale = (15, 40, 75)
BRIGHT: Scale = (250, 220, 180)

#: Standard deviation of the grey levels; ordinary photos have 14 and more.
CONTRAST: Scale = (3, 11, 22)

#: How far the nose lies from between the eyes, sideways, in eye distances: 0 is frontal; 99 % of
#: ordinary photos stay under 0.33.
TURN: Scale = (0.7, 0.42, 0.15)

#: Pixels of the square to which a face is brought before its light and sharpness are measured: small enough that the
#: measures do not depend on the resolution of the photo.
FACE_SIZE = 64

#: The middle part of the face's box that is measured, leaving hair and background out.
INNER = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """value is from 0 to 1, as good as the worst measure.

    reasons are sentences for people about every measure that is below MINIMUM_FOR_ENROLMENT; none if value is not.
    """

    value: float
    reasons: tuple[str, ...]


def assess(photo: Picture | Image, detection: Detection) -> Quality:
    """Return the quality of one face, from the photo that it was detected in.

    The detector's score takes no part: its scale is each engine's own, and a low one comes from the same causes.
    """
    eye_distance = detection.keypoints.eye_distance
    grey = _grey_face(as_picture(photo), detection)
    light = float(grey.mean())
    measures = (
        (
            _mark(eye_distance, EYE_DISTANCE),
            f"The eyes are {int(eye_distance)} px apart; use a photo where it is at least {EYE_DISTANCE[1]} px.",
        ),
        (
            _mark(_sharpness(grey), SHARPNESS),
            "The face is blurred; use a sharp photo.",
        ),
        (
            _mark(light, DARK),
            "The face is too dark; use a photo with light on the face.",
        ),
        (
            _mark(light, BRIGHT),
            "The face is overexposed; use a photo with less light on the face.",
        ),
        (
            _mark(float(grey.std()), CONTRAST),
            "The face has too little contrast; use a clearer photo.",
        ),
        (
            _mark(_turn(detection.keypoints), TURN),
            "The face is turned away; use a photo that shows it from the front.",
        ),
    )
    return Quality(
        value=min(mark for mark, _ in measures),
        reasons=tuple(reason for mark, reason in measures if mark < MINIMUM_FOR_ENROLMENT),
    )


def _mark(measured: float, scale: Scale) -> float:
    """Return the mark of a measure; scales may run either way."""
    if scale[0] > scale[2]:
        return _mark(-measured, (-scale[0], -scale[1], -scale[2]))
    return float(np.interp(measured, scale, (0, MINIMUM_FOR_ENROLMENT, 1)))


def _grey_face(picture: Picture, detection: Detection) -> npt.NDArray[np.float32]:
    """Return the middle of the face, (FACE_SIZE, FACE_SIZE), grey levels from 0 to 255."""
    box = detection.box
    view = picture.view(
        left=box.x,
        top=box.y,
        right=box.x + box.width,
        bottom=box.y + box.height,
        shrink=min(box.width, box.height) / FACE_SIZE,
    )
    face = pillow.fromarray(view.pixels)
    rim_x, rim_y = face.width * (1 - INNER) / 2, face.height * (1 - INNER) / 2
    inner = (rim_x, rim_y, face.width - rim_x, face.height - rim_y)
    small = face.convert("F").resize((FACE_SIZE, FACE_SIZE), pillow.Resampling.BILINEAR, box=inner)
    return np.asarray(small, dtype=np.float32)


def _sharpness(grey: npt.NDArray[np.float32]) -> float:
    """Return the variance of the 4-neighbour Laplacian over that of the grey levels; an even surface is not sharp."""
    neighbours = grey[1:-1, :-2] + grey[1:-1, 2:] + grey[:-2, 1:-1] + grey[2:, 1:-1]
    return float((neighbours - 4 * grey[1:-1, 1:-1]).var() / max(grey.var(), 1.0))


def _turn(keypoints: Keypoints) -> float:
    """Return the sideways offset of the nose from the middle of the eyes, in eye distances, without sign."""
    left, right, nose = (
        np.array(point) for point in (keypoints.left_eye, keypoints.right_eye, keypoints.nose)
    )
    along = right - left
    # Both eyes on one spot happen in no face, but landmarks are a guess.
    return float(abs((nose - (left + right) / 2) @ along) / max(along @ along, 1.0))
