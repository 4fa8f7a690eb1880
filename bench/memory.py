"""What a worker's memory comes to while it looks at photos of 12 megapixels with 12 faces each.

    python -m bench.memory

An installation with two workers is given eight such photos. A worker's own memory is read from Linux while they work:
`PSS` counts what processes share by halves (or thirds) to each, so that the workers' PSS add up to what they take
together; `peak RSS` counts all of it to each, libraries on the disk included.
"""

import argparse
import sys
import tempfile
import threading
from collections import defaultdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.engine import compose
from tests.installation import Installation

#: MB that a worker may have at the most.
GOAL = 250
PHOTOS = 8
WORKERS = 2
#: Seconds between two readings.
PAUSE = 0.02


def workers(site: Installation) -> list[int]:
    """Return the worker processes: those whose parent is a consumer as well."""
    consumers = {pid for pid, command in site.processes().items() if "manage.py worker" in command}
    return sorted(pid for pid in consumers if _status(pid, "PPid") in consumers)


def _status(pid: int, name: str) -> int:
    return _read(Path(f"/proc/{pid}/status"), name)


def _read(file: Path, name: str) -> int:
    """Return the number on the line of that name; 0 without one."""
    for line in file.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


class Observer(threading.Thread):
    """Reads the PSS of processes, in MB, until it is stopped."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.readings: dict[int, list[float]] = defaultdict(list)
        self._pids = pids
        self._stopped = threading.Event()

    def run(self) -> None:
        """Read and wait, in turns."""
        while not self._stopped.wait(PAUSE):
            for pid in self._pids:
                reading = _read(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1024
                self.readings[pid].append(reading)

    def stop(self) -> None:
        """Return once the last reading is taken."""
        self._stopped.set()
        self.join()


def measure(engine: str, photo: bytes) -> list[tuple[float, float, float]]:
    """Return of each worker its PSS before the first photo, the largest since, and its peak RSS, in MB."""
    with tempfile.TemporaryDirectory() as data:
        environment = {"FACEWATCH_WORKERS": str(WORKERS), "FACEWATCH_ENGINE": engine}
        site = Installation(Path(data) / "data", **environment).start()
        try:
            token = site.token("bench", "uploader")
            pids = workers(site)
            before = [_read(Path(f"/proc/{pid}/smaps_rollup"), "Pss") / 1024 for pid in pids]
            observer = Observer(pids)
            observer.start()
            # A byte after the end makes each a photo of its own.
            answers = [
                site.upload("/api/v1/photos/", photo + bytes([number]), token=token)
                for number in range(PHOTOS)
            ]
            for answer in answers:
                site.finished(answer.json(), token=token, seconds=300)
            observer.stop()
            peaks = [_status(pid, "VmHWM") / 1024 for pid in pids]
            most = [max(observer.readings[pid]) for pid in pids]
            figures = sorted(zip(before, most, peaks, strict=True), key=lambda found: found[1])
            # Huey's scheduler is a process like them, and looks at nothing.
            return figures[-WORKERS:]
        finally:
            site.stop()


def main() -> int:
    """Print the table; return 1 if a worker of the default engine is over the goal."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    console = Console(width=110)
    table = Table(
        "engine", "worker", "PSS at rest", "PSS at most", "peak RSS", title="MB of a worker"
    )
    over = False
    with tempfile.TemporaryDirectory() as scratch:
        (photo,) = [
            made.path.read_bytes()
            for made in compose(Path(scratch))
            if (made.longest, made.faces) == (4000, 12)
        ]
    for engine in ("opencv", "dlib"):
        for number, figures in enumerate(measure(engine, photo), 1):
            table.add_row(engine, str(number), *(f"{figure:.0f}" for figure in figures))
            over |= engine == "opencv" and figures[1] > GOAL
    console.print(machine.describe(), table)
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
