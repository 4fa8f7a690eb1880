"""Programs of this repository that tests run, and what they answer."""

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
