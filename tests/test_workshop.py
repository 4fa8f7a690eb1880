"""The set-up: what is pinned, and what make does on a machine that is fresh, broken or unfit."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
RUNTIME, DEVELOPMENT, PEER = (
    ROOT / name for name in ("requirements.txt", "requirements-dev.txt", "requirements-peer.txt")
)


def requirements(file: Path) -> list[str]:
    """Return the lines that name a requirement, without the continuation."""
    lines = file.read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if line[:1] not in ("", " ", "#")]


def pins(file: Path) -> dict[str, str]:
    """Return the hashes of each "name==version" of a file."""
    found = re.findall(
        r"^([^\s;=]+(?: [^\s;=]+)*==[^\s;]+)[^\n]*\\\n((?:    --hash=.*\n?)+)",
        file.read_text(),
        re.MULTILINE,
    )
    return dict(found)


@pytest.mark.parametrize("file", [RUNTIME, DEVELOPMENT, PEER], ids=lambda file: file.name)
def test_every_requirement_is_pinned_with_hashes(file: Path) -> None:
    named = {line.split(" ;")[0] for line in requirements(file)}
    assert named
    assert named == pins(file).keys()


@pytest.mark.parametrize("file", [RUNTIME, DEVELOPMENT, PEER], ids=lambda file: file.name)
def test_no_index_is_written_down(file: Path) -> None:
    assert "://" not in file.read_text()


def test_development_adds_to_the_runtime_and_changes_nothing_of_it() -> None:
    assert pins(RUNTIME).items() <= pins(DEVELOPMENT).items()


def test_a_package_wanted_with_extras_is_pinned_with_them() -> None:
    """Older pips take the newest version of "name[extra]" if "name" alone is pinned, and then miss its hash."""
    pinned: dict[str, set[str]] = {}
    for line in requirements(DEVELOPMENT):
        pin = Requirement(line)
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        pinned.setdefault(canonicalize_name(pin.name), set()).update(pin.extras)
    wanted = [
        needed
        for name in pinned
        for line in importlib.metadata.metadata(name).get_all("Requires-Dist", [])
        if (needed := Requirement(line)).extras
        and (needed.marker is None or needed.marker.evaluate({"extra": ""}))
    ]
    assert wanted
    for needed in wanted:
        assert needed.extras <= pinned[canonicalize_name(needed.name)], needed


def test_nothing_that_is_installed_compiles_dlib() -> None:
    assert not any(pin.startswith("dlib==") for pin in {**pins(DEVELOPMENT), **pins(PEER)})


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the project's Makefile and requirements that name no package: set-up without the network."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("# no package\n")
    return tmp_path


def make(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_set_up_is_done_once_and_again_after_it_was_interrupted_or_broken(checkout: Path) -> None:
    set_up = ("runtime", f"PYTHON={sys.executable}")
    first = make(*set_up, folder=checkout)
    assert first.returncode == 0, first.stderr
    assert "making .venv" in first.stdout
    assert "installing requirements.txt" in first.stdout

    assert make(*set_up, folder=checkout).stdout == ""

    (checkout / "requirements.txt").write_text("# other packages\n")
    assert make(*set_up, folder=checkout).stdout == "installing requirements.txt\n"

    (checkout / ".venv" / "unfinished").touch()
    assert "making .venv" in make(*set_up, folder=checkout).stdout

    (checkout / ".venv" / "bin" / "python").unlink()
    assert "making .venv" in make(*set_up, folder=checkout).stdout
    assert make(*set_up, folder=checkout).stdout == ""


def test_an_installation_that_fails_is_not_taken_for_done(checkout: Path) -> None:
    # --require-hashes refuses a requirement without one, before asking anybody.
    (checkout / "requirements.txt").write_text("django==5.2\n")
    set_up = ("runtime", f"PYTHON={sys.executable}")
    assert make(*set_up, folder=checkout).returncode != 0
    assert "making .venv" in make(*set_up, folder=checkout).stdout


def test_a_machine_without_a_fit_python_is_told_what_to_install(checkout: Path) -> None:
    done = make("run", "PYTHON=/nowhere/python3", folder=checkout)
    assert done.returncode != 0
    assert "Facewatch needs Python 3.11 or newer" in done.stderr
    assert not (checkout / ".venv").exists()


def test_help_names_every_target(checkout: Path) -> None:
    targets = re.findall(r"^make (\w+)", make("help", folder=checkout).stdout, re.MULTILINE)
    assert targets == [
        *("help", "run", "demo", "test", "lint", "chaos", "bench", "screenshots", "lock", "clean")
    ]
