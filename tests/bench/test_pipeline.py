"""What the benchmark of the whole way of a photo counts, and when it fails."""

from pathlib import Path
from typing import Any

import pytest

from bench import pipeline
from tests import programs, servers
from tests.pictures import small_copy


def measured(*, ledger: float, one: float, two: float, missing: int = 0) -> dict[str, Any]:
    """What one set-up gave whose engine takes 100 ms: the ledger's milliseconds, photos per second by workers."""
    costs = {"milliseconds": {"detect, engine": 60.0, "recognise, engine": 40.0, "ledger": ledger}}
    rates = {
        workers: [pipeline.Rates(whole=rate, workers=rate, missing=missing)]
        for workers, rate in ((1, one), (2, two))
    }
    return {"SQLite": pipeline.Measured(costs=costs, rates=rates)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (measured(ledger=5, one=10, two=18), []),
        (measured(ledger=5.1, one=10, two=18), ["cost 5.1 % of the engine's time"]),
        (measured(ledger=5, one=10, two=17), ["1.70 times as much as one"]),
    ],
)
def test_a_dear_ledger_and_workers_that_hold_each_other_up_are_said(
    given: dict[str, Any], said: list[str]
) -> None:
    lines = pipeline.missed_goals(given)
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_photos_that_are_not_done_are_counted() -> None:
    assert pipeline.missing(measured(ledger=1, one=1, two=1, missing=2)) == 4


def test_a_small_run_takes_photos_from_upload_to_done(tmp_path: Path) -> None:
    folder, table = tmp_path / "photos", tmp_path / "table.md"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(small_copy(number=1))
    on = "servers" if servers.ARE_USED else "embedded"
    options = ["--on", on, "--photos", "8", "--cost-photos", "2", "--rounds", "1"]
    run = programs.run(
        "bench.pipeline", str(folder), *options, "--markdown", str(table), seconds=400
    )
    # Photos this small, on a busy machine, may miss the goals.
    assert run.returncode == 0, run.stdout + run.stderr
    rows = [line.strip("| ").split(" | ") for line in table.read_text().splitlines()]
    assert rows[0] == ["a photo", *pipeline.ON[on]]
    assert ["statements of a photo, of these the ledger's", "19, 9"] in rows
