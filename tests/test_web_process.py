"""The web process answers and computes nothing: the libraries that hold the GIL never come into it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from facewatch import streams
from tests import programs

PROGRAM = """
import sys
import facewatch.wsgi
from django.urls import get_resolver
get_resolver().url_patterns
print(sorted({"dlib", "_dlib_pybind11", "cv2", "onnxruntime", "face_recognition"} & set(sys.modules)))
print(sorted({"scipy.stats", "scipy.optimize", "apprise"} & set(sys.modules)))
"""


def test_the_web_process_never_imports_what_runs_models_nor_what_is_slow_to_load(
    tmp_path: Path,
) -> None:
    answer = programs.printed(PROGRAM, FACEWATCH_DATA_DIR=str(tmp_path))
    assert answer.splitlines() == ["[]", "[]"]


def test_the_entry_point_may_be_loaded_in_any_thread() -> None:
    with ThreadPoolExecutor() as pool:
        pool.submit(streams.end_with_process).result()
