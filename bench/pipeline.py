"""From upload to done: photos per second with one worker and with two, and what a photo costs besides its engine.

    python -m bench.pipeline [FOLDER] [--photos 200] [--rounds 3] [--on embedded|servers] [--markdown FILE]

On SQLite with SqliteHuey, and on a PostgreSQL and a Redis that it starts, which keep what they have as in earnest
(fsync, append-only file); or on either alone. FOLDER has JPEG files, in folders or not; the demonstration's photos
unless given. Ends with status 1 if a photo is not done, and says which goals are missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from bench.accept import uploads
from bench.copies import Copies
from demo import photos as demo_photos
from tests.installation import ROOT, Installation
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

#: What the installations stand on.
EMBEDDED, SERVERS = SETUPS = ("SQLite, SqliteHuey", "PostgreSQL, Redis")
ON = {"embedded": [EMBEDDED], "servers": [SERVERS], "both": [*SETUPS]}
#: A database and a broker that keep what they have over a loss of power, and as much memory as a small server gives.
POSTGRES = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB"}
REDIS = {"appendonly": "yes", "appendfsync": "everysec"}
WORKERS = (1, 2)
CLIENTS = 4
#: The goals: ledger and queue cost at most this share of the engine's time, and two workers do so many times as much.
MOST_COST, LEAST_GROWTH = 0.05, 1.8
#: Seconds within which all photos of one run have to be done.
DONE_SECONDS = 1200
#: The first and the last photos of a run are left out of the workers' own rate: workers start and end apart.
EDGE = 0.1


class Engines:
    """The databases and brokers of all runs, each run with one of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def _servers(self) -> tuple[PostgresServer, RedisServer]:
        start = self._stack.enter_context
        return start(PostgresServer(settings=POSTGRES)), start(RedisServer(**REDIS))

    def of(self, setup: str) -> dict[str, str]:
        """Return the variables by which an installation stands on a set-up, with nothing in it."""
        if setup == EMBEDDED:
            return {}
        postgres, redis = self._servers
        redis.client.flushall()
        return {"DATABASE_URL": postgres.create(), "REDIS_URL": redis.url}


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Photos per second of one run: from upload to done, and of the workers alone; and how many were not done."""

    whole: float
    workers: float
    missing: int


@dataclass(kw_only=True)
class Measured:
    """What was found of one set-up: what a photo costs, and rates by the number of workers, one for each round."""

    costs: dict[str, Any]
    rates: dict[int, list[Rates]] = field(default_factory=lambda: defaultdict(list))

    def milliseconds(self, *names: str) -> float:
        """Return the time that these take together for one photo."""
        return float(sum(self.costs["milliseconds"].get(name, 0.0) for name in names))

    @property
    def engine(self) -> float:
        """What the engine takes for one photo, in milliseconds."""
        return self.milliseconds("detect, engine", "recognise, engine")

    @property
    def share(self) -> float:
        """What ledger and queue take of one photo, against the engine."""
        return self.milliseconds("ledger", "queue alone") / self.engine

    def rate(self, kind: str, workers: int) -> float:
        """Return the typical rate of so many workers."""
        return float(median(getattr(rates, kind) for rates in self.rates[workers]))

    def growth(self, kind: str) -> float:
        """Return how many times as much the most workers do as one, the median of pairs taken in turn."""
        first, *_, most = WORKERS
        pairs = zip(self.rates[first], self.rates[most], strict=True)
        return float(median(getattr(more, kind) / getattr(one, kind) for one, more in pairs))


@contextmanager
def installed(setup: str, engines: Engines, **settings: str) -> Iterator[Installation]:
    """Give an installation with a data folder of its own, not started."""
    with tempfile.TemporaryDirectory(prefix="facewatch-bench-") as folder:
        yield Installation(Path(folder) / "data", **engines.of(setup), **settings)


def measure_costs(setup: str, engines: Engines, *, folder: Path, count: int) -> dict[str, Any]:
    """Return what `bench.photo_costs` finds on a set-up."""
    with installed(setup, engines, FACEWATCH_LOG_LEVEL="ERROR") as site:
        done = subprocess.run(
            [sys.executable, "-m", "bench.photo_costs", "--photos", str(count), str(folder)],
            cwd=ROOT,
            env=site.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure_rates(setup: str, engines: Engines, *, photos: Sequence[bytes], workers: int) -> Rates:
    """Upload photos and wait until they are done; then let others wait together, and time the workers alone."""
    with installed(setup, engines, FACEWATCH_WORKERS=str(workers)) as site:
        site.start()
        try:
            token = site.token("bench", "manager")
            half = len(photos) // 2
            began = time.time()
            send(site, photos[:half], token=token)
            ends = wait(site, count=half)
            whole = len(ends) / (ends[-1] - began) if ends else 0.0
            site.send("PUT", "/api/v1/queue/pauses/photo:uploaded/", token=token, reason="bench")
            send(site, photos[half:], token=token)
            site.request("DELETE", "/api/v1/queue/pauses/photo:uploaded/", token=token)
            alone = wait(site, count=len(photos))[half:]
        finally:
            site.stop()
    edge = int(EDGE * len(alone))
    inner = alone[edge : len(alone) - edge]
    return Rates(
        whole=whole,
        workers=(len(inner) - 1) / (inner[-1] - inner[0]) if len(inner) > 1 else 0.0,
        missing=len(photos) - half - len(alone),
    )


def send(site: Installation, photos: Sequence[bytes], *, token: str) -> None:
    """Upload photos from some clients at once."""
    target = uploads(site, token=token)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda photo: target.send(target.head + photo + target.tail), photos)
        statuses = {status for status, _ in answers}
    if statuses != {202}:
        raise RuntimeError(f"Uploads were answered {sorted(statuses)}.")


def wait(site: Installation, *, count: int) -> list[float]:
    """Return when each photo was done, in order, once so many are or the time is over."""
    deadline = time.monotonic() + DONE_SECONDS
    number = "SELECT count(*) FROM recognition_photo WHERE stage = 'done'"
    while site.query(number)[0][0] < count and time.monotonic() < deadline:
        time.sleep(0.5)
    seconds = (
        "extract(epoch FROM finished_at)"
        if "DATABASE_URL" in site.environment
        else "(julianday(finished_at) - 2440587.5) * 86400"
    )
    rows = site.query(f"SELECT {seconds} FROM recognition_photo WHERE stage = 'done' ORDER BY 1")  # noqa: S608 (from above)
    return [float(ended) for (ended,) in rows]


def lines(found: dict[str, Measured]) -> list[tuple[str, ...]]:
    """Return the table's rows: a figure of each set-up."""

    def row(name: str, figure: Any) -> tuple[str, ...]:
        return (name, *(figure(one) for one in found.values()))

    def rest(stage: str, task: str) -> Any:
        return lambda one: (
            f"{one.milliseconds(task) - one.milliseconds(f'{stage}, engine', f'{stage}, pictures'):.1f} ms"
        )

    made = []
    for stage, task in (("detect", "detect_faces"), ("recognise", "recognise_faces")):
        made += [
            row(
                f"{stage}: {part}",
                lambda one, name=f"{stage}, {part}": f"{one.milliseconds(name):.1f} ms",
            )
            for part in ("engine", "pictures")
        ]
        made.append(row(f"{stage}: all the rest", rest(stage, task)))
    made += [
        row("ledger", lambda one: f"{one.milliseconds('ledger'):.2f} ms"),
        row("queue", lambda one: f"{one.milliseconds('queue alone'):.2f} ms"),
        row("ledger and queue, of the engine's time", lambda one: f"{100 * one.share:.1f} %"),
        row(
            "statements of a photo, of these the ledger's",
            lambda one: f"{len(one.costs['statements'])}, {len(one.costs['ledger_statements'])}",
        ),
        row(
            "written by the database, of this for the ledger",
            lambda one: (
                f"{one.costs['bytes'] / 1000:.1f}, {one.costs['ledger_bytes'] / 1000:.1f} kB"
            ),
        ),
        row("written by the queue", lambda one: f"{one.costs['queue_bytes'] / 1000:.1f} kB"),
    ]
    for kind, name in (("whole", "from upload to done"), ("workers", "workers alone")):
        made += [
            row(
                f"{name}, {workers} worker{'s' if workers > 1 else ''}",
                lambda one, kind=kind, workers=workers: f"{one.rate(kind, workers):.1f} photos/s",
            )
            for workers in WORKERS
        ]
        made.append(row(f"{name}, growth", lambda one, kind=kind: f"{one.growth(kind):.2f}×"))
    return made


def missed_goals(found: dict[str, Measured]) -> list[str]:
    """Return a line for each goal that is missed."""
    return [
        f"{setup}: ledger and queue cost {100 * one.share:.1f} % of the engine's time, more than {100 * MOST_COST:g} %."
        for setup, one in found.items()
        if one.share > MOST_COST
    ] + [
        f"{setup}: {WORKERS[-1]} workers do {one.growth('workers'):.2f} times as much as one, less than {LEAST_GROWTH}."
        for setup, one in found.items()
        if one.growth("workers") < LEAST_GROWTH
    ]


def missing(found: dict[str, Measured]) -> int:
    """Return how many photos were not done."""
    return sum(
        rates.missing for one in found.values() for rounds in one.rates.values() for rates in rounds
    )


def measure(options: argparse.Namespace, *, folder: Path, console: Console) -> dict[str, Measured]:
    """Return what was found of each set-up; they take turns, and so do one worker and two."""
    found: dict[str, Measured] = {}
    setups = ON[options.on]
    copies = Copies(folder)
    with ExitStack() as stack:
        engines = Engines(stack)
        progress = stack.enter_context(Progress(console=console, transient=True))
        task = progress.add_task("", total=len(setups) * (1 + options.rounds * len(WORKERS)))
        for setup in setups:
            progress.update(task, description=f"{setup}: what a photo costs", advance=1)
            costs = measure_costs(setup, engines, folder=folder, count=options.cost_photos)
            found[setup] = Measured(costs=costs)
        for _ in range(options.rounds):
            for setup in setups:
                for workers in WORKERS:
                    progress.update(task, description=f"{setup}: {workers} workers", advance=1)
                    photos = list(islice(copies, options.photos))
                    rates = measure_rates(setup, engines, photos=photos, workers=workers)
                    found[setup].rates[workers].append(rates)
    return found


def main(options: argparse.Namespace) -> int:
    """Measure, print, and return the exit status."""
    console = Console(width=120)
    folder = Path(options.folder) if options.folder else demo_photos.fetch()
    found = measure(options, folder=folder, console=console)
    head = ("a photo", *found)
    table = Table(*head, title=machine.describe(), title_justify="left")
    made = lines(found)
    for line in made:
        table.add_row(*line)
    console.print(table)
    if options.markdown:
        rows = [head, ("---",) * len(head), *made]
        text = "\n".join("| " + " | ".join(line) + " |" for line in rows)
        Path(options.markdown).write_text(text + "\n")
    if lost := missing(found):
        console.print(f"{lost} photos were not done.")
    console.print("\n".join(missed_goals(found)) or "The goals are met.")
    return int(bool(lost))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="of JPEG files")
    parser.add_argument("--on", choices=ON, default="both", help="what it is measured on")
    parser.add_argument("--photos", type=int, default=200, help="uploaded in each run")
    parser.add_argument("--cost-photos", type=int, default=60, help="whose costs are measured")
    parser.add_argument("--rounds", type=int, default=3, help="runs with each number of workers")
    parser.add_argument("--markdown", metavar="FILE", help="where the table goes, for a document")
    sys.exit(main(parser.parse_args()))
