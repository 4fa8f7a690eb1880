"""Worker hosts with networks of their own are cut off in mid-work and healed; see `tests.hosts.cut`."""

import re
from pathlib import Path

import pytest

from tests import programs
from tests.hosts import network

pytestmark = pytest.mark.usefixtures("photos_folder")


def test_a_host_that_is_cut_off_loses_nothing_doubles_nothing_and_comes_back(
    tmp_path: Path,
) -> None:
    if reason := network.why_not():
        pytest.skip(reason)
    log = tmp_path / "log.txt"
    run = programs.run("tests.hosts.cut", "--log", str(log))
    assert run.returncode == 0, run.stdout + run.stderr + log.read_text()[-5000:]
    accepted, done = (
        int(number) for number in re.findall(r"│ (?:accepted|done) +│ (\d+)", run.stdout)
    )
    assert accepted == done > 50
