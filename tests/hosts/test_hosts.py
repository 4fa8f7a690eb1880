"""Worker hosts with networks of their own are cut off in mid-work and healed; see `tests.hosts.cut`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import network
from tests.installation import ROOT

pytestmark = pytest.mark.usefixtures("photos_folder")


def test_a_host_that_is_cut_off_loses_nothing_doubles_nothing_and_comes_back(
    tmp_path: Path,
) -> None:
    if reason := network.why_not():
        pytest.skip(reason)
    log = tmp_path / "log.txt"
    run = subprocess.run(
        [sys.executable, "-m", "tests.hosts.cut", "--log", str(log)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr + log.read_text()[-5000:]
    accepted, done = (
        int(number) for number in re.findall(r"│ (?:accepted|done) +│ (\d+)", run.stdout)
    )
    assert accepted == done > 50
