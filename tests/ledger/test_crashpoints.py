"""A process dies at the place that is named, and at no other."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import ROOT

PROGRAM = """
from ledger import crashpoints
print("before", flush=True)
crashpoints.reach("photo: file written")
print("after", flush=True)
"""


@pytest.mark.parametrize(
    ("crash_at", "code", "said"),
    [
        ("photo: file written", -signal.SIGKILL, ["before"]),
        ("photo: row stored", 0, ["before", "after"]),
        ("", 0, ["before", "after"]),
        (None, 0, ["before", "after"]),
    ],
    ids=["the label", "another label", "none", "not set"],
)
def test_a_process_dies_where_it_is_told_to(
    tmp_path: Path, crash_at: str | None, code: int, said: list[str]
) -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "facewatch.settings",
        "FACEWATCH_DATA_DIR": str(tmp_path),
    }
    if crash_at is not None:
        environment["FACEWATCH_CRASH_AT"] = crash_at
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (child.returncode, child.stdout.split()) == (code, said), child.stderr
