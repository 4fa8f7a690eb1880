"""Who is measured by bench.engine, each in a process of its own: python -m bench.contenders NAME

Reads a path a line, answers each with a line of JSON: `faces`, `ms` in all, `stages` (name to ms) and `megabytes`, the
most memory that the process has had.
"""

import importlib
import io
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ledger.processes import keep_memory
from recognition import engine as engines
from recognition.engine import Detail

#: Where `make peer` installs face_recognition.
PEER_FOLDER = Path(".venv") / "peer"

#: Takes the bytes of a photo and a stopwatch; returns how many faces it described.
Contender = Callable[[bytes, "Watch"], int]


class Watch:
    """Says how long each stage took."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage: it took the time since the last one ended."""
        now = time.perf_counter()
        self.stages[stage] = self.stages.get(stage, 0.0) + 1000 * (now - self._last)
        self._last = now

    @contextmanager
    def aside(self, stage: str) -> Iterator[None]:
        """Count what happens meanwhile to this stage, and not to the one that it happens in."""
        started = time.perf_counter()
        yield
        taken = time.perf_counter() - started
        self.stages[stage] = self.stages.get(stage, 0.0) + 1000 * taken
        self._last += taken


def opened(data: bytes, watch: Watch) -> engines.Picture:
    """Return a photo that tells the watch how long it takes to decode, whenever that is."""
    info = engines.inspect(io.BytesIO(data))

    def read(shrink: int) -> engines.Image:
        with watch.aside("decode"):
            return engines.decode(io.BytesIO(data), shrink=shrink)

    return engines.Picture(width=info.width, height=info.height, read=read)


def facewatch(name: str, detail: Detail) -> Contender:
    """Return what a worker computes for a photo: from its bytes to the embeddings of its faces."""
    model = engines.load(name)
    keep_memory()

    def look(data: bytes, watch: Watch) -> int:
        picture = opened(data, watch)
        detections = model.detect(picture, detail=detail)
        watch.lap("detect")
        chips = [engines.cut_chip(picture, detection) for detection in detections]
        watch.lap("cut")
        aligned = [model.align(chip) for chip in chips]
        watch.lap("align")
        model.embed(aligned)
        watch.lap("embed")
        return len(detections)

    return look


@dataclass(frozen=True, kw_only=True)
class Calls:
    """What the engine asked of the libraries for one photo."""

    shrinks: list[int]
    inputs: list[Any]
    faces: list[tuple[Any, Any]]


def bare() -> Contender:
    """Return the library calls that `opencv` makes for a photo in `balanced`, and nothing between them: our limit.

    The first time a photo comes, the engine looks at it and what it hands to the libraries is kept; from then on these
    calls alone are made: Pillow decodes, ONNX Runtime runs YuNet, OpenCV aligns and runs SFace.
    """
    model: Any = engines.load("opencv")
    keep_memory()
    session, recogniser = model._detector._session, model._recogniser  # noqa: SLF001 (the libraries themselves)
    known: dict[bytes, Calls] = {}

    def record(data: bytes) -> Calls:
        inputs: list[Any] = []
        shrinks: list[int] = []

        class Recorder:
            """Runs the network, and keeps what it was given."""

            def run(self, names: Any, feed: Any) -> Any:
                inputs.append(feed)
                return session.run(names, feed)

        def read(shrink: int) -> engines.Image:
            shrinks.append(shrink)
            return engines.decode(io.BytesIO(data), shrink=shrink)

        info = engines.inspect(io.BytesIO(data))
        picture = engines.Picture(width=info.width, height=info.height, read=read)
        model._detector._session = Recorder()  # noqa: SLF001 (to see what it is given)
        chips = [engines.cut_chip(picture, face) for face in model.detect(picture)]
        model._detector._session = session  # noqa: SLF001 (put back)
        rows = np.zeros((len(chips), 1, 15), dtype=np.float32)
        for row, chip in zip(rows, chips, strict=True):
            row[0, 4:14] = chip.landmarks.ravel()
        pictures = [np.ascontiguousarray(chip.pixels) for chip in chips]
        return Calls(shrinks=shrinks, inputs=inputs, faces=list(zip(pictures, rows, strict=True)))

    def look(data: bytes, watch: Watch) -> int:
        if data not in known:
            known[data] = record(data)
            watch.lap("record")
        calls = known[data]
        for shrink in calls.shrinks:
            image = Image.open(io.BytesIO(data))
            image.draft(None, (image.width // shrink, image.height // shrink))
            np.asarray(image)
        watch.lap("decode")
        for feed in calls.inputs:
            session.run(None, feed)
        watch.lap("detect")
        for pixels, row in calls.faces:
            recogniser.feature(recogniser.alignCrop(pixels, row))
        watch.lap("embed")
        return len(calls.faces)

    return look


def zoo() -> Contender:
    """Return OpenCV's own two classes, called as their sample does, on the photo as it is."""
    model: Any = engines.load("opencv")
    cv2: Any = importlib.import_module("cv2")
    yunet: Any = importlib.import_module("recognition.engine.yunet")
    weights = np.frombuffer(yunet.MODEL.locate().read_bytes(), dtype=np.uint8)
    detector = cv2.FaceDetectorYN.create("onnx", weights, np.empty(0, np.uint8), (320, 320), 0.6)
    recogniser = model._recogniser  # noqa: SLF001 (OpenCV's reader refuses the file as it is)

    def look(data: bytes, watch: Watch) -> int:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        watch.lap("decode")
        detector.setInputSize(image.shape[1::-1])
        rows = detector.detect(image)[1]
        watch.lap("detect")
        faces = [] if rows is None else list(rows)
        for row in faces:
            recogniser.feature(recogniser.alignCrop(image, row[None]))
        watch.lap("embed")
        return len(faces)

    return look


def face_recognition() -> Contender:
    """Return the peer's API with its defaults."""
    sys.path.insert(0, str(PEER_FOLDER))
    peer: Any = importlib.import_module("face_recognition")

    def look(data: bytes, watch: Watch) -> int:
        image = peer.load_image_file(io.BytesIO(data))
        watch.lap("decode")
        places = peer.face_locations(image)
        watch.lap("detect")
        peer.face_encodings(image, places)
        watch.lap("embed")
        return len(places)

    return look


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "face_recognition": face_recognition,
    "opencv fast": lambda: facewatch("opencv", Detail.FAST),
    "opencv balanced": lambda: facewatch("opencv", Detail.BALANCED),
    "opencv thorough": lambda: facewatch("opencv", Detail.THOROUGH),
    "bare calls": bare,
    "OpenCV's sample": zoo,
    "dlib fast": lambda: facewatch("dlib", Detail.FAST),
    "dlib balanced": lambda: facewatch("dlib", Detail.BALANCED),
}


def main(name: str) -> None:
    """Answer until standard input ends."""
    # One core, the same for all.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    look = CONTENDERS[name]()
    print("ready", flush=True)
    for line in sys.stdin:
        data = Path(line.strip()).read_bytes()
        watch = Watch()
        started = time.perf_counter()
        faces = look(data, watch)
        answer = {
            "faces": faces,
            "ms": 1000 * (time.perf_counter() - started),
            "stages": watch.stages,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
