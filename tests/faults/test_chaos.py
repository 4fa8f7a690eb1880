"""A short run of `make chaos`, and one that must fail."""

import re
import sys
from pathlib import Path

import pytest

from tests import programs, servers

pytestmark = pytest.mark.usefixtures("photos_folder")


def chaos(*options: str, tmp_path: Path) -> tuple[int, dict[str, int]]:
    """Run it; return its status and figures."""
    log = tmp_path / "log.txt"
    run = programs.run("tests.faults.chaos", "--log", str(log), *options)
    figures = {
        name.strip(): int(count) for name, count in re.findall(r"│ (.+?) │ (\d+) .*│", run.stdout)
    }
    assert figures, run.stdout + run.stderr
    if run.returncode:
        # Shown if the test fails.
        sys.stdout.write(run.stdout + log.read_text())
    return run.returncode, figures


def test_nothing_is_lost_and_nobody_is_told_twice(tmp_path: Path) -> None:
    status, figures = chaos("--duration", "14", "--seed", "7", tmp_path=tmp_path)
    assert status == 0
    assert figures["accepted"] > 5
    assert figures["lost"] == figures["mailed twice"] == 0
    assert figures["mails accepted"] > 0
    assert figures["of these digests"] > 0
    assert {f"struck: {name}" for name in ("worker", "consumer", "web", "queue")} <= set(figures)


@pytest.mark.skipif(servers.ARE_USED, reason="that it can fail is tried once")
def test_without_the_sweeper_photos_are_stuck_and_the_run_says_so(tmp_path: Path) -> None:
    status, figures = chaos(
        "--duration",
        "8",
        "--seed",
        "5",
        "--rate",
        "30",
        "--sweeper",
        "off",
        "--drain",
        "10",
        tmp_path=tmp_path,
    )
    assert status == 1
    assert figures["lost"] > 0
