"""An export or an import that is killed in its midst: `python -m tests.flows.killed export|import FOLDER rows|files`.

It gets SIGKILL when the first batch of rows, or of files, is done.
"""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
django.setup()

from facewatch.moving import exporting, importing  # noqa: E402 (Django's settings come first)
from facewatch.moving.progress import Progress  # noqa: E402


def ignore(_: int) -> None:
    pass


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(what: str, folder: str, *, at: str) -> None:
    silent = Progress(rows_in_all=ignore, rows=ignore, files_in_all=ignore, files=ignore)
    mortal = replace(silent, rows=die) if at == "rows" else replace(silent, files=die)
    if what == "export":
        exporting.export(Path(folder), progress=mortal)
    else:
        importing.restore(Path(folder), was_stopped=True, progress=mortal)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], at=sys.argv[3])
