"""What a photo costs a worker besides its engine, on the installation that the environment names: one line of JSON.

    FACEWATCH_DATA_DIR=… python -m bench.photo_costs [--photos 40] [--statements] FOLDER

For `bench.pipeline`. Photo by photo, so that all meet the same machine, it times the engine's calls alone, the two
stages as a worker does them, the ledger alone (claims, outcomes and publication of a photo that is nothing but its
row), and the queue alone.
"""

import argparse
import io
import itertools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
django.setup()

from django.conf import settings  # noqa: E402 (Django's settings come first)
from django.core.files.base import ContentFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections, connection, transaction  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from bench.copies import Copies  # noqa: E402
from ledger import leases, queues  # noqa: E402
from ledger.processes import keep_memory  # noqa: E402
from recognition import engine as engines  # noqa: E402
from recognition import loaded, photos, publishing, tasks  # noqa: E402
from recognition.models import Photo  # noqa: E402

#: Photos that go before, until everything is loaded and warm.
WARM_UP = 5
#: Rows of which the bytes that the ledger and the queue write are measured.
ROWS = 200


class Times:
    """Milliseconds by name, one for each photo."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = defaultdict(list)
        self._now: dict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what happens meanwhile to this name."""
        started = time.perf_counter()
        yield
        self._now[name] += 1000 * (time.perf_counter() - started)

    def next(self) -> None:
        """Begin the next photo."""
        for name, taken in self._now.items():
            self._taken[name].append(taken)
        self._now.clear()

    def medians(self) -> dict[str, float]:
        """Return the typical time by name."""
        return {name: median(taken[WARM_UP:] or taken) for name, taken in self._taken.items()}


def ask_engine(data: bytes, times: Times) -> None:
    """Do what the engine does for a photo, and what is done to its pictures, and nothing else."""
    model = loaded.engine()
    with times.of("detect, engine"):
        picture = engines.open_photo(io.BytesIO(data), max_pixels=settings.MAX_PIXELS)
        found = model.detect(picture, detail=settings.DETAIL)
        chips = [engines.cut_chip(picture, face) for face in found]
    with times.of("detect, pictures"):
        for face in found:
            engines.assess(picture, face)
        pixels = picture.finest()
        engines.encode_jpeg(pixels, longest=None, quality=photos.PICTURE_QUALITY)
        engines.encode_jpeg(pixels, longest=photos.THUMBNAIL_SIZE, quality=photos.THUMBNAIL_QUALITY)
        files = [engines.encode_png(chip.pixels) for chip in chips]
    with times.of("recognise, pictures"):
        for file in files:
            engines.decode(io.BytesIO(file), max_pixels=settings.MAX_PIXELS)
    if chips:
        with times.of("recognise, engine"):
            model.embed([model.align(chip) for chip in chips])


def work(times: Times) -> None:
    """Take what is queued and do it, as a consumer's worker does."""
    while True:
        with times.of("queue"):
            task = queues.huey.dequeue()
        if task is None:
            return
        with times.of(task.name):
            close_old_connections()
            queues.huey.execute(task)
            close_old_connections()


def go_through_the_ledger(photo: Photo) -> None:
    """Do what the ledger does for a photo with a face."""
    for stage, following in (
        (Photo.Stage.UPLOADED, Photo.Stage.DETECTED),
        (Photo.Stage.DETECTED, Photo.Stage.DONE),
    ):
        if lease := leases.claim(Photo, photo.pk, stage=stage):
            with leases.held(lease), transaction.atomic():
                # As of an upload: what can be worked out again waits for no disk.
                leases.finish(lease, stage=following, is_durable=False)
    publishing.note_heard(photo.pk)


def go_through_the_queue(photo: Photo) -> None:
    """Wake workers for the two stages of a photo, and take the messages."""
    for task in (tasks.detect_faces, tasks.recognise_faces):
        queues.wake(task, photo.pk)
        queues.huey.dequeue()


def rows(count: int) -> list[Photo]:
    """Store photos that are nothing but their rows."""
    made = [
        Photo(stage=Photo.Stage.UPLOADED, image="none", sha256="0", bytes=1, width=1, height=1)
        for _ in range(count)
    ]
    return Photo.objects.bulk_create(made)


def written() -> dict[str, int]:
    """Return how many bytes database and queue have written so far, each to its log."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
            database = int(cursor.fetchone()[0])
    else:
        database = _size(f"{connection.settings_dict['NAME']}-wal")
    if settings.REDIS_URL:
        told = queues.detect.storage.conn.info("persistence")
        # What is written, and what will be once the last sync is over.
        queue = int(told["aof_current_size"]) + int(told["aof_buffer_length"])
    else:
        queue = _size(f"{settings.QUEUE_PATH}-wal")
    return {"database": database, "queue": queue}


def _size(path: str) -> int:
    return Path(path).stat().st_size if Path(path).exists() else 0


def let_logs_grow() -> None:
    """Have SQLite's logs begin anew, and from then on grow, so that their size tells what was written."""
    for pragma in ("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_autocheckpoint = 0"):
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute(pragma)
        if not settings.REDIS_URL:
            for queue in queues.QUEUES:
                queue.storage.conn.execute(pragma).fetchall()


def bytes_of(do: Callable[[Photo], None], *, log: str) -> float:
    """Return how many bytes go to a log for one photo."""
    made = rows(ROWS)
    before = written()[log]
    for photo in made:
        do(photo)
    return (written()[log] - before) / ROWS


def upload(data: bytes) -> Photo:
    """Store a photo, as an upload does, and wake a worker."""
    photo = photos.store_photo(ContentFile(data, name="photo.jpg"), owner=None).photo
    tasks.wake_photo(photo)
    return photo


def measure(folder: Path, *, count: int) -> dict[str, Any]:
    """Return what a photo costs: milliseconds, statements and bytes, by name."""
    times, copies = Times(), Copies(folder)
    for data in itertools.islice(copies, count + WARM_UP):
        ask_engine(data, times)
        upload(data)
        work(times)
        (row,) = rows(1)
        with times.of("ledger"):
            go_through_the_ledger(row)
        with times.of("queue alone"):
            go_through_the_queue(row)
        times.next()
    statements = watched(next(copies))
    (row,) = rows(1)
    with CaptureQueriesContext(connection) as ledgers:
        go_through_the_ledger(row)
    let_logs_grow()
    before = written()["database"]
    many = list(itertools.islice(copies, 20))
    for data in many:
        upload(data)
        work(times)
    return {
        "milliseconds": times.medians(),
        "statements": statements,
        "ledger_statements": [query["sql"] for query in ledgers],
        "bytes": (written()["database"] - before) / len(many),
        "ledger_bytes": bytes_of(go_through_the_ledger, log="database"),
        "queue_bytes": bytes_of(go_through_the_queue, log="queue"),
    }


def watched(data: bytes) -> list[str]:
    """Return the statements that a worker sends for one photo."""
    upload(data)
    with CaptureQueriesContext(connection) as queries:
        while task := queues.huey.dequeue():
            queues.huey.execute(task)
    return [query["sql"] for query in queries]


def main(options: argparse.Namespace) -> None:
    """Measure in an empty installation, and print what was found."""
    call_command("migrate", verbosity=0)
    loaded.start()
    keep_memory()
    queues.huey.flush()
    found = measure(Path(options.folder), count=options.photos)
    if options.statements:
        for statement in found["statements"]:
            sys.stderr.write(f"{statement[:160]}\n")
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", help="of photos")
    parser.add_argument("--photos", type=int, default=40, help="that are measured")
    parser.add_argument("--statements", action="store_true", help="print those of one photo")
    main(parser.parse_args())
