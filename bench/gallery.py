"""The gallery at several sizes, on SQLite and on PostgreSQL: how long a search takes, and until a change is found.

    python -m bench.gallery [FACES …] [--database sqlite postgresql] [--index]

The faces are made up: three a person, about as much alike as photos of one person are to `opencv` (a distance of 0.36),
and people without order, in a database of their own. One core searches.
`--index` adds pgvector's, whose building takes half a minute for each 100,000 faces. Medians; searching twice in a run,
alone and in batches, by turns.
"""

import argparse
import gc
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

# Before NumPy is loaded: one core is what is measured.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import machine

#: Faces of a person, probes of a batch, and times that each figure is taken.
EACH, BATCH, RUNS = 3, 32, 7
#: Faces that are enrolled at once where many are.
MANY = 200
DIMENSIONS = 128
#: Faces that are stored at once, those of whole people; and how much faces differ from their person.
STORED, UNLIKE = 16_000 * EACH, 0.75
#: Milliseconds a probe, in batches, for a million faces.
GOAL = 15.0
SIZES = (10_000, 100_000, 1_000_000)


def vectors(count: int, *, seed: int, each: int = 1) -> "np.ndarray":
    """Return unit vectors (N, D) float32, each so many of one person."""
    rng = np.random.default_rng(seed)
    people = rng.standard_normal((-(-count // each), DIMENSIONS), dtype=np.float32)
    made = np.repeat(people, each, axis=0)[:count]
    if each > 1:
        made += UNLIKE * rng.standard_normal(made.shape, dtype=np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def fill(count: int) -> None:
    """Store so many known faces, as enrolments do, but all at once."""
    from django.db import connection, transaction

    from recognition.models import GalleryState

    tables: dict[str, Callable[[int], tuple[Any, ...]]] = {
        "recognition_person (id, name, notes, created_at)": lambda n: (
            f"{n:032x}",
            f"Person {n}",
            "",
            "2026-01-01 00:00:00+00:00",
        ),
        "recognition_face (id, photo_id, index, x, y, width, height, score, quality, engine, landmarks, chip_scale)": (
            lambda n: (
                f"{n:032x}",
                f"{n // 30_000:032x}",
                n % 30_000,
                1,
                1,
                9,
                9,
                1.0,
                0.9,
                "opencv",
                "[]",
                1.0,
            )
        ),
        "recognition_knownface (id, person_id, face_id, revision, created_at)": lambda n: (
            n + 1,
            f"{n // EACH:032x}",
            f"{n:032x}",
            1,
            "2026-01-01 00:00:00+00:00",
        ),
    }
    with without_references(), transaction.atomic():
        for start in range(0, count, STORED):
            rows = range(start, min(start + STORED, count))
            made = vectors(len(rows), seed=start, each=EACH)
            for table, row in tables.items():
                numbers = range(-(-len(rows) // EACH) + 1) if "person (" in table else rows
                offset = start // EACH if "person (" in table else 0
                store(table, [row(offset + number) for number in numbers])
            store(
                "recognition_embedding (face_id, engine, vector)",
                [
                    (f"{number:032x}", "opencv", vector.tobytes())
                    for number, vector in zip(rows, made, strict=True)
                ],
            )
        GalleryState.objects.update_or_create(pk=1, defaults={"revision": 1})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('recognition_knownface', 'id'), %s)", [count]
            )


def store(table: str, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows; what is there already stays."""
    from django.db import connection

    name, _, columns = table.partition(" ")
    quoted = ", ".join(f'"{column.strip()}"' for column in columns.strip("()").split(","))
    marks = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {name} ({quoted}) VALUES ({marks}) ON CONFLICT DO NOTHING",  # noqa: S608 (names above)
            rows,
        )


@contextmanager
def without_references() -> Iterator[None]:
    """Let rows stand for photos that are not there."""
    from django.db import connection

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            yield
            cursor.execute("SET session_replication_role = DEFAULT")
    else:
        with connection.constraint_checks_disabled():
            yield


def took(call: Callable[[], object], *, runs: int = RUNS) -> float:
    """Return the milliseconds of a call, the median of some."""
    return statistics.median(_once(call) for _ in range(runs))


def _once(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - begun)


def own_memory(make: Callable[[], Any]) -> float:
    """Return the memory that a worker has for itself alone when it has searched once, in MB."""
    from django.db import connections

    # A process of its own: what this one has given back is used again, and would not be seen.
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    worker = fork.Process(target=_grow, args=(make, theirs))
    worker.start()
    grown = float(ours.recv())
    worker.join()
    return grown


def _grow(make: Callable[[], Any], answer: Any) -> None:
    before = resident()
    known = make()
    known.search(vectors(1, seed=1))
    # What was given back before is used again first.
    answer.send(max(resident() - before, 0.0))


def resident() -> float:
    """Return the memory of this process that no file backs, in MB."""
    gc.collect()
    text = Path("/proc/self/smaps_rollup").read_text()
    parts = dict(line.split(":", 1) for line in text.splitlines()[1:] if ":" in line)
    return int(parts["Anonymous"].split()[0]) / 1000


class Figures(dict[str, str]):
    """What is told of one gallery, by the name of the figure."""


def measure(make: Callable[[], Any], *, model: Any, count: int) -> tuple[Figures, float]:
    """Return the figures of a gallery that is loaded anew, and its milliseconds a probe in batches."""
    found = Figures()
    begun = time.perf_counter()
    known = make()
    known.refresh()
    found["loading, s"] = f"{time.perf_counter() - begun:.2f}"
    found["own memory, MB"] = f"{own_memory(make):.0f}"
    probes = vectors(BATCH, seed=7)
    known.search(probes)
    alone, batch = [], []
    for _ in range(RUNS):
        alone.append(_once(lambda: known.search(probes[:1])))
        batch.append(_once(lambda: known.search(probes)) / BATCH)
    each = statistics.median(batch)
    found["one probe, ms"] = f"{statistics.median(alone):.2f}"
    found[f"a probe of {BATCH}, ms"] = f"{each:.2f}"
    found["nothing new, ms"] = f"{took(known.refresh):.2f}"
    found["one new face found, ms"] = f"{until_found(known, count=1, model=model):.1f}"
    found[f"{MANY} new faces found, ms"] = f"{until_found(known, count=MANY, model=model):.1f}"
    return found, each


def until_found(known: Any, *, count: int, model: Any) -> float:
    """Return the milliseconds of the search after somebody was enrolled, which must find them; median of some."""
    from django.db import transaction

    from recognition import gallery
    from recognition.models import KnownFace
    from tests import make

    taken = []
    for number in range(5):
        new = vectors(count, seed=1_000_000 + 1000 * count + number)
        person = make.person("Ada Example")
        with transaction.atomic():
            revision = gallery.next_revision()
            KnownFace.objects.bulk_create(
                KnownFace(person=person, face=make.face(vector=vector), revision=revision)
                for vector in new
            )
        begun = time.perf_counter()
        found = known.search(new[-1:])
        taken.append(1000 * (time.perf_counter() - begun))
        distance = found.distances[0, found.people.index(person.pk)]
        if distance > 10 * np.finfo(np.float32).eps:
            raise AssertionError(f"the face that was enrolled is found at {distance}")
        with transaction.atomic():
            gallery.remove(KnownFace.objects.filter(person=person))
    return statistics.median(taken)


def of_size(count: int, *, index: bool, folder: Path, console: Console) -> dict[str, Figures]:
    """Fill the database, and measure each way to hold the known faces. Says which goals were missed."""
    from django.db import connection

    from recognition import audits, engine
    from recognition.gallery import exact, indexed

    model = engine.load("opencv")
    console.print(f"{connection.vendor}: storing {count:,} faces …")
    fill(count)
    found: dict[str, Figures] = {}
    ways = {"in memory": {"mapped_from": 10**9}, "shared": {"mapped_from": 0}}
    for way, options in ways.items():
        if way == "shared":
            # The first worker writes what the others map.
            exact.ExactGallery(model, folder=folder, **options).refresh()
        found[way], each = measure(
            partial(exact.ExactGallery, model, folder=folder, **options),
            model=model,
            count=count,
        )
        if count >= SIZES[-1]:
            found[way]["goal"] = "met" if each <= GOAL else "MISSED"
    if index and connection.vendor == "postgresql":
        begun = time.perf_counter()
        indexed.prepare("opencv", tell=console.print)
        building = time.perf_counter() - begun
        found["pgvector"], _each = measure(
            partial(indexed.IndexedGallery, model), model=model, count=count
        )
        found["pgvector"]["building, s"] = f"{building:.0f}"
        row = audits.audit(indexed.IndexedGallery(model), engine=model, probes=200)
        found["pgvector"]["recall, 95 %"] = f"{row.recall:.1%} ({row.low:.1%}-{row.high:.1%})"
    return found


def run(counts: list[int], *, database: str, index: bool, console: Console) -> bool:
    """Print the table of one database; return whether the goals were met."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if database == "postgresql":
            from tests.postgres_server import PostgresServer

            server = stack.enter_context(PostgresServer())
            os.environ["DATABASE_URL"] = server.create()
        os.environ["FACEWATCH_DATA_DIR"] = str(folder / "data")
        os.environ["DJANGO_SETTINGS_MODULE"] = "facewatch.settings"
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        figures: dict[tuple[int, str], Figures] = {}
        for count in counts:
            call_command("migrate", verbosity=0)
            for way, found in of_size(
                count, index=index, folder=folder / str(count), console=console
            ).items():
                figures[count, way] = found
            call_command("flush", interactive=False, verbosity=0)
        connections.close_all()
    print_table(figures, database=database, console=console)
    return "MISSED" not in {value for found in figures.values() for value in found.values()}


def print_table(
    figures: dict[tuple[int, str], Figures], *, database: str, console: Console
) -> None:
    """Print a column for each gallery, a row for each figure."""
    table = Table(
        database,
        *(f"{count:,}\n{way}" for count, way in figures),
        title=machine.describe(),
        title_justify="left",
    )
    for name in dict.fromkeys(name for found in figures.values() for name in found):
        table.add_row(name, *(found.get(name, "–") for found in figures.values()))
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", nargs="*", type=int, default=list(SIZES), metavar="FACES")
    parser.add_argument("--database", default="sqlite", choices=["sqlite", "postgresql"])
    parser.add_argument("--index", action="store_true", help="also pgvector, on PostgreSQL")
    asked = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 200)
    met = run(asked.faces, database=asked.database, index=asked.index, console=console)
    sys.exit(0 if met else 1)
