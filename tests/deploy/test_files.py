"""The files to run it by, as far as they can be checked without running them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from facewatch.env import VARIABLES
from ledger import queues
from tests.installation import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


@pytest.fixture
def compose() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_services_of_our_image_are_not_root_and_write_nowhere_else(
    compose: dict[str, dict[str, Any]],
) -> None:
    ours = {name: one for name, one in compose["services"].items() if one["image"] == "facewatch"}
    assert set(ours) == {"prepare", "web", "recognise", "deliver", "sweep"}
    for service in ours.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["data:/var/lib/facewatch"]
    assert re.search(r"^USER facewatch$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_every_kind_of_work_has_a_service(
    compose: dict[str, dict[str, Any]],
) -> None:
    taken = " ".join(
        " ".join(one["command"])
        for one in compose["services"].values()
        if "worker" in one.get("command", [])
    )
    assert set(queues.NAMES) <= set(re.split(r"[ ,]", taken))


def test_every_variable_that_is_set_is_one() -> None:
    known = {variable.name for variable in VARIABLES}
    for path in (DEPLOY / "compose.yaml", DEPLOY / "Dockerfile", *UNITS):
        named = set(re.findall(r"\b(?:FACEWATCH_[A-Z_]+|[A-Z]+_URL)\b", path.read_text()))
        assert named <= known, path


def test_the_image_has_every_package() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - copied == {"tests", "bench"}
    assert {"static", "templates"} <= copied


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_units_are_valid(unit: Path, tmp_path: Path) -> None:
    # The program is not installed where the unit says.
    name = unit.name.replace("@.", "@detect.")
    text = unit.read_text().replace("/opt/facewatch/.venv/bin/python", "/bin/true")
    (tmp_path / unit.name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in checked.stderr.splitlines() if "facewatch" in line]
    assert ours == []
