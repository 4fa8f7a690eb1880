"""The package as its users meet it: what importing costs, loading by name, the three lines of the docstring."""

import doctest
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recognition import engine as engines
from recognition.engine import Engine, EngineError

ROOT = Path(__file__).resolve().parents[2]


def test_importing_the_engine_imports_neither_django_nor_what_runs_models() -> None:
    code = (
        "import sys; import recognition.engine, recognition.engine.images, recognition.engine.types; "
        "print(sorted({'dlib', '_dlib_pybind11', 'cv2', 'onnxruntime', 'django'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_one_engine_is_loaded_per_process() -> None:
    assert engines.load() is engines.load("opencv")


def test_each_engine_goes_by_its_name_and_has_thresholds_known_before_it_is_loaded() -> None:
    assert set(engines.THRESHOLDS) == set(engines.MODULES)
    for name in engines.MODULES:
        loaded = engines.load(name)
        assert loaded.name == name
        assert loaded.thresholds == engines.THRESHOLDS[name]
        assert 0 < loaded.thresholds.alert <= loaded.thresholds.candidate


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(EngineError, match=r"no engine 'elsewhere'.*dlib"):
        engines.load("elsewhere")


def test_the_three_lines_of_the_docstring_work(
    engine: Engine, photos_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(photos_folder / "hopper.jpg", tmp_path / "group.jpg")
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestParser().get_examples(engines.__doc__ or "")
    assert len(examples) == 3
    names: dict[str, Any] = {}
    for example in examples:
        exec(example.source, names)  # noqa: S102
    assert names["faces"].shape == (1, engine.dimensions)
    assert engine.distances(names["faces"], names["faces"]) < 0.01
