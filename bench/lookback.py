"""Looking back over a million stored faces: how long it takes to find one person among them, reading included.

    python -m bench.lookback [FACES]

The faces are made up: unit vectors without order, among them HITS that look like the person. They lie in a database of
their own, and each run reads all of them anew, on one core.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Before NumPy is loaded: one core is what is measured.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import machine

#: Faces that look like the person, faces by which they are known, and runs of which the median is told.
HITS, KNOWN, RUNS = 200, 3, 5
DIMENSIONS = 128
#: Seconds for a million faces.
GOAL = 2.0


def vectors(count: int, *, person: "np.ndarray", rng: "np.random.Generator") -> "np.ndarray":
    """Return unit vectors (N, D) float32, HITS of them near the person."""
    made = rng.standard_normal((count, DIMENSIONS), dtype=np.float32)
    near = rng.choice(count, size=min(HITS, count), replace=False)
    made[near] = person + 0.5 / np.sqrt(DIMENSIONS) * made[near]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def fill(count: int, *, person: "np.ndarray") -> None:
    """Store so many faces, as workers do; only their embeddings are read."""
    from django.db import connection, transaction

    rng = np.random.default_rng(1)
    with connection.constraint_checks_disabled(), transaction.atomic():
        for start in range(0, count, 50_000):
            size = min(50_000, count - start)
            rows = (
                (f"{start + number:032x}", "opencv", row.tobytes())
                for number, row in enumerate(vectors(size, person=person, rng=rng))
            )
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO recognition_embedding (face_id, engine, vector) VALUES (%s, %s, %s)",
                    list(rows),
                )


def look_through(count: int, *, person: "np.ndarray") -> Iterator[tuple[float, float, int]]:
    """Yield seconds of each run, those of its reading alone, and how many faces it found."""
    from recognition import engine, lookback

    model = engine.load("opencv")
    rng = np.random.default_rng(2)
    faces = person + 0.1 * rng.standard_normal((KNOWN, DIMENSIONS)).astype(np.float32)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    for _ in range(RUNS):
        begun = time.perf_counter()
        after = found = 0
        reading = 0.0
        while True:
            at = time.perf_counter()
            chunk = lookback.read(engine="opencv", after=after, until=count, size=lookback.CHUNK)
            reading += time.perf_counter() - at
            found += len(lookback.near(chunk, faces, engine=model))
            if len(chunk.ids) < lookback.CHUNK:
                break
            after = int(chunk.ids[-1])
        yield time.perf_counter() - begun, reading, found


def main(count: int, *, console: Console) -> bool:
    """Print the table; return whether the goal was met and every planted face found."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FACEWATCH_DATA_DIR"] = str(Path(folder) / "data")
        os.environ["DJANGO_SETTINGS_MODULE"] = "facewatch.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        person = np.zeros(DIMENSIONS, dtype=np.float32)
        person[0] = 1
        fill(count, person=person)
        runs = list(look_through(count, person=person))
    seconds = statistics.median(whole for whole, _, _ in runs)
    reading = statistics.median(part for _, part, _ in runs)
    found = {hits for *_, hits in runs}
    table = Table("figure", "value", title=machine.describe(), title_justify="left")
    planted = sum(min(HITS, 50_000, count - start) for start in range(0, count, 50_000))
    rows = {
        "stored faces": f"{count:,}",
        "look-alikes planted, and found": f"{planted:,}, {'/'.join(f'{one:,}' for one in sorted(found))}",
        "whole look back, median of 5": f"{seconds:.2f} s",
        "of which reading": f"{reading:.2f} s",
        "faces per second": f"{count / seconds:,.0f}",
        f"goal ({GOAL:g} s for a million)": "met" if seconds <= GOAL * count / 1e6 else "missed",
    }
    for figure, value in rows.items():
        table.add_row(figure, value)
    console.print(table)
    return seconds <= GOAL * count / 1e6 and min(found) >= planted


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", type=int, nargs="?", default=1_000_000, metavar="FACES")
    fine = main(parser.parse_args().faces, console=Console(width=100))
    sys.exit(0 if fine else 1)
