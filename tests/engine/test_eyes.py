"""The eyes of a face, whatever engine found it."""

import subprocess
import sys

import numpy as np
import pytest

from recognition.engine import EngineError
from recognition.engine.eyes import eyes

YUNET = [[30.0, 40.0], [70.0, 42.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]]
#: Corners of the right eye, of the left one, then the nose.
DLIB = [[80.0, 42.0], [60.0, 42.0], [20.0, 40.0], [40.0, 40.0], [50.0, 60.0]]


@pytest.mark.parametrize(("engine", "landmarks"), [("opencv", YUNET), ("dlib", DLIB)])
def test_each_engines_points_give_the_same_eyes(engine: str, landmarks: list[list[float]]) -> None:
    assert eyes(engine, landmarks) == ((30, 40), (70, 42))
    assert eyes(engine, np.array(landmarks, dtype=np.float32)) == ((30, 40), (70, 42))


def test_of_an_unknown_engine_nothing_is_guessed() -> None:
    with pytest.raises(EngineError, match="no engine 'peer'"):
        eyes("peer", YUNET)


def test_no_model_comes_into_the_web_process() -> None:
    code = "import sys, recognition.engine.eyes; print({'cv2', 'dlib', 'onnxruntime'} & set(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "set()"
