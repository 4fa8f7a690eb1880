"""Programs that tests run in processes of their own, and what they answer."""

import os
import subprocess
import sys

from tests.installation import ROOT


def run(module: str, *options: str, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE OPTIONS`, within so many seconds; whatever its exit status, return what it printed."""
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def printed(code: str, **environment: str) -> str:
    """Return what this code prints in a process of its own, which has Django's settings and these variables."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "facewatch.settings", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
