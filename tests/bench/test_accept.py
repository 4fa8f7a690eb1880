"""What the benchmark of uploads counts, and when it fails."""

from pathlib import Path

import pytest

from bench import accept
from tests import programs


def timing(*milliseconds: float) -> accept.Timing:
    return accept.Timing(milliseconds=list(milliseconds), seconds=1, answers=[])


def outcome(*, p95: float, refused: int = 0, done: int = 4, least: int = 1) -> accept.Outcome:
    return accept.Outcome(
        timings={1: timing(p95)}, least=least, accepted=4, refused=refused, done=done
    )


@pytest.mark.parametrize(
    ("result", "failures"),
    [
        (outcome(p95=50), 0),
        (outcome(p95=50.1), 1),
        (outcome(p95=50, refused=1), 1),
        (outcome(p95=50, done=3), 1),
        (outcome(p95=50, least=0), 1),
    ],
)
def test_it_fails_for_a_missed_goal_a_refusal_a_lost_photo_and_idle_workers(
    result: accept.Outcome, failures: int
) -> None:
    assert len(accept.failures(result, blocking={1: timing(1000)})) == failures


def test_the_photos_differ_and_can_be_read() -> None:
    photos = accept.Photos(size=300)
    one, other = photos.take(2)
    assert one != other
    assert "240 × 300 px" in photos.describe()


def test_a_small_run_accepts_and_finishes_every_photo(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    options = ["--requests", "4", "--clients", "2", "--size", "300", "--markdown", str(table)]
    run = programs.run("bench.accept", *options)
    # Photos this small are recognised as fast as they are accepted, so that the goal itself may be missed.
    assert "0 refused" in run.stdout, run.stdout + run.stderr
    assert "not done" not in run.stdout
    rows = [line.split(" | ")[0].strip("| ") for line in table.read_text().splitlines()[2:]]
    assert rows == ["facewatch, workers saturated", "blocking", "threaded"]
