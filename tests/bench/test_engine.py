"""What the benchmarks of the engines compare, and when they fail."""

from pathlib import Path

import numpy as np
import pytest

from bench import detail, engine
from recognition.engine import Box, Detection, Keypoints
from tests import programs


def results(*, peer: float, ours: float, bare: float, found: int = 1) -> engine.Results:
    """What the contenders gave for one photo of 640 px with one face, in milliseconds."""
    return {
        (name, PHOTO): engine.Result(milliseconds=[milliseconds], faces={faces})
        for name, milliseconds, faces in (
            ("face_recognition", peer, 1),
            ("opencv balanced", ours, found),
            ("bare calls", bare, 1),
        )
    }


PHOTO = engine.Photo(path=Path("photo.jpg"), longest=640, faces=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (results(peer=200, ours=50, bare=45), []),
        (results(peer=199, ours=50, bare=45), ["4.0 times the peer"]),
        (results(peer=200, ours=50, bare=44), ["0.88 of the bare calls"]),
        (results(peer=200, ours=50, bare=45, found=0), ["found [0]"]),
    ],
)
def test_a_missed_face_and_a_missed_goal_are_said(given: engine.Results, said: list[str]) -> None:
    lines = engine.failures(given, [PHOTO]) + engine.missed_goals(given, [PHOTO])
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_contenders_take_turns_and_are_compared_with_the_peer(
    photos_folder: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.md"
    options = ["--rounds", "1", "--longest", "640", "--only", "opencv fast"]
    run = programs.run("bench.engine", *options, "--markdown", str(table))
    # A busy machine may miss the goals on speed, but no face.
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [line.split(" | ")[0].strip("| ") for line in table.read_text().splitlines()]
    assert rows[2:6] == ["face_recognition", "opencv fast", "opencv balanced", "bare calls"]


def test_a_mosaic_counts_each_face_once_and_what_is_none() -> None:
    def face(x: int) -> Detection:
        box = Box(x=x, y=90, width=20, height=20)
        eyes = Keypoints(left_eye=(x, 95), right_eye=(x + 10, 95), nose=(x + 5, 100))
        return Detection(box=box, landmarks=np.zeros((5, 2), np.float32), score=1.0, keypoints=eyes)

    mosaic = detail.Mosaic(
        image=np.zeros((200, 500, 3), dtype=np.uint8),
        middles=np.array([[100.0, 100.0], [200.0, 100.0], [300.0, 100.0]]),
        height=20,
    )
    found = [face(92), face(191), face(400)]
    assert mosaic.recall(found) == pytest.approx(2 / 3)
    assert mosaic.extras(found) == 1
    assert mosaic.recall([]) == 0
