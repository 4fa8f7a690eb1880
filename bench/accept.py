"""How long a client waits until its photo is accepted while all workers are busy, against recognising in the request.

    python -m bench.accept [--requests 150] [--size 4000] [--markdown FILE]

The installation's two workers are kept busy by a backlog the whole time. The same clients send the same photos to the
lecture's two servers (`bench.lecture`): one that recognises in the request, and one that does so in a thread for each.
Ends with status 1 if the goal is missed, a request was refused, or an accepted photo is not done in the end.
"""

import argparse
import http.client
import io
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from demo import photos as demo_photos
from tests.installation import ROOT, Installation
from tests.ports import free_port

CLIENTS = (1, 4, 16)
WORKERS = 2
#: Pixels on the longest side of the photos: what a phone takes has 12 megapixels.
SIZE = 4000
#: The goal: the slowest twentieth of accepted uploads waits at most this share of the blocking server's median.
GOAL = 1 / 20
#: Requests to the two slow servers for each one to the fast one.
SLOW_SHARE = 0.3
#: Photos that each number of clients finds waiting at least, beside those that they bring.
BACKLOG = 60
#: Seconds in which all accepted photos have to be done.
DONE_SECONDS = 900


class Photos:
    """Copies of a demonstration photo, enlarged to a phone's, each with bytes of its own."""

    def __init__(self, *, size: int) -> None:
        with Image.open(demo_photos.path("obama-2012.jpg")) as photo:
            self._width, self._height = (
                round(side * size / max(photo.size)) for side in photo.size
            )
            enlarged = photo.convert("RGB").resize((self._width, self._height))
        data = io.BytesIO()
        enlarged.save(data, "JPEG", quality=92)
        self._data = data.getvalue()
        self._numbers = itertools.count()

    def take(self, count: int) -> list[bytes]:
        """Return further photos."""
        return [self._with_comment(f"{next(self._numbers):08}") for _ in range(count)]

    def describe(self) -> str:
        """Return what they are."""
        return f"JPEG, {self._width} × {self._height} px, {len(self._data) / 1e6:.2f} MB"

    def _with_comment(self, text: str) -> bytes:
        """Return the file with a comment (FF FE, length with these two bytes, text) after its two first bytes."""
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text.encode()
        return self._data[:2] + comment + self._data[2:]


class Depth:
    """Watches how many photos are ready for a worker, as the API tells it, from a thread of its own."""

    def __init__(self, site: Installation, *, token: str) -> None:
        self._site, self._token = site, token
        self._over = threading.Event()
        self.least = self.ready()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def ready(self) -> int:
        """Return how many photos wait for a worker now."""
        stages = self._site.get("/api/v1/queue/", token=self._token).json()["stages"]
        return sum(int(stage["ready"]) for stage in stages.values())

    def _watch(self) -> None:
        while not self._over.wait(1):
            self.least = min(self.least, self.ready())


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where photos are sent, and in what form."""

    port: int
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    head: bytes = b""
    tail: bytes = b""

    def send(self, body: bytes) -> tuple[int, bytes]:
        """Send one body over a connection of its own; return the answer's status and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)) as server:
            server.request("POST", self.path, body=body, headers=self.headers)
            answer = server.getresponse()
            return answer.status, answer.read()


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a server did under a number of clients: milliseconds until each answer, seconds in all, and the answers."""

    milliseconds: list[float]
    seconds: float
    answers: list[tuple[int, bytes]]

    def percentile(self, share: int) -> float:
        """Return the time within which that many percent of the requests were answered."""
        return float(np.percentile(self.milliseconds, share))

    @property
    def per_second(self) -> float:
        """Requests answered in a second."""
        return len(self.milliseconds) / self.seconds


def measure(target: Target, photos: list[bytes], *, clients: int) -> Timing:
    """Send the photos from so many clients at once, each one after the other."""
    bodies = [target.head + photo + target.tail for photo in photos]

    def timed(body: bytes) -> tuple[float, tuple[int, bytes]]:
        started = time.perf_counter()
        answer = target.send(body)
        return (time.perf_counter() - started) * 1000, answer

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        timed_answers = list(pool.map(timed, bodies))
    milliseconds, answers = zip(*timed_answers, strict=True) if timed_answers else ((), ())
    return Timing(
        milliseconds=list(milliseconds),
        seconds=time.perf_counter() - started,
        answers=list(answers),
    )


@contextmanager
def lecture(*options: str) -> Iterator[Target]:
    """Run one of the lecture's servers."""
    target = Target(port=free_port())
    command = [sys.executable, "-m", "ledger.processes", str(os.getpid()), sys.executable]
    process = subprocess.Popen(
        [*command, "-m", "bench.lecture", str(target.port), *options], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                target.send(b"")
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                break
        yield target
    finally:
        process.terminate()
        process.wait(10)


def uploads(site: Installation, *, token: str) -> Target:
    """Return where the installation takes photos."""
    boundary = "facewatch-bench"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\n\r\n'
    return Target(
        port=site.port,
        path="/api/v1/photos/",
        headers={
            "Authorization": f"Token {token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
        head=head.encode(),
        tail=f"\r\n--{boundary}--\r\n".encode(),
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured: so many requests from each number of clients."""

    photos: Photos
    requests: int
    clients: tuple[int, ...]
    console: Console


def measure_lecture(plan: Plan, *options: str) -> dict[int, Timing]:
    """Return the timings of one of the lecture's servers, by the number of clients."""
    timings = {}
    with lecture(*options) as target:
        for count in plan.clients:
            number = max(int(plan.requests * SLOW_SHARE), 2 * count)
            timings[count] = measure(target, plan.photos.take(number), clients=count)
            plan.console.print(f"{' '.join(options) or 'blocking'}: {count} clients measured")
    return timings


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the installation did: timings by clients, the shortest backlog meanwhile, and what became of the photos."""

    timings: dict[int, Timing]
    least: int
    accepted: int
    refused: int
    done: int


def measure_installation(plan: Plan) -> Outcome:
    """Keep the workers of an installation busy, time uploads meanwhile, and wait until all photos are done."""
    timings: dict[int, Timing] = {}
    answers: list[tuple[int, bytes]] = []
    least = []
    with tempfile.TemporaryDirectory(prefix="facewatch-bench-") as folder:
        site = Installation(Path(folder) / "data", FACEWATCH_WORKERS=str(WORKERS)).start()
        try:
            token = site.token("bench", "manager")
            target = uploads(site, token=token)
            depth = Depth(site, token=token)
            for count in plan.clients:
                missing = max(0, BACKLOG + plan.requests // 4 - depth.ready())
                answers += measure(target, plan.photos.take(missing), clients=4).answers
                with Depth(site, token=token) as watched:
                    timing = measure(target, plan.photos.take(plan.requests), clients=count)
                timings[count] = timing
                answers += timing.answers
                least.append(watched.least)
                plan.console.print(
                    f"facewatch: {count} clients measured, {watched.least} waited at least"
                )
            accepted = sum(status == HTTPStatus.ACCEPTED for status, _ in answers)
            done = _wait(site, token=token, count=accepted, console=plan.console)
        finally:
            site.stop()
    refused = len(answers) - accepted
    return Outcome(timings=timings, least=min(least), accepted=accepted, refused=refused, done=done)


def _wait(site: Installation, *, token: str, count: int, console: Console) -> int:
    """Wait until nothing waits any more; return how many photos are done."""
    deadline = time.monotonic() + DONE_SECONDS
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("the backlog", total=count)
        while time.monotonic() < deadline:
            state = site.get("/api/v1/queue/", token=token).json()
            left = sum(
                stage["ready"] + stage["leased"] + stage["waiting"]
                for stage in state["stages"].values()
            )
            progress.update(task, completed=count - left)
            if not left:
                break
            time.sleep(0.5)
    done = 0
    address = "/api/v1/photos/?stage=done&page_size=200"
    while address:
        page = site.get(address, token=token).json()
        done += len(page["results"])
        address = page["next"] or ""
    return done


HEAD = ("server", "clients", "p50 ms", "p95 ms", "p99 ms", "per second", "p95 / blocking p50")


def rows(servers: dict[str, dict[int, Timing]]) -> list[tuple[str, ...]]:
    """Return the table's rows: each server under each number of clients, with its ratio to the blocking one."""
    return [
        (
            name,
            str(count),
            *(f"{timing.percentile(share):.1f}" for share in (50, 95, 99)),
            f"{timing.per_second:.1f}",
            f"1/{servers['blocking'][count].percentile(50) / timing.percentile(95):.1f}",
        )
        for count in servers["blocking"]
        for name, timings in servers.items()
        for timing in (timings[count],)
    ]


def markdown(lines: list[tuple[str, ...]]) -> str:
    """Return a table for a document."""
    head = [HEAD, ("---",) * len(HEAD)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*head, *lines]) + "\n"


def failures(ours: Outcome, *, blocking: dict[int, Timing]) -> list[str]:
    """Return a line for each thing that must not be."""
    missed = [
        f"With {count} clients p95 is over 1/{1 / GOAL:.0f} of the blocking server's p50."
        for count, timing in ours.timings.items()
        if timing.percentile(95) > GOAL * blocking[count].percentile(50)
    ]
    wrong = {
        f"{ours.refused} photos were refused.": ours.refused,
        f"{ours.accepted - ours.done} accepted photos are not done.": ours.accepted > ours.done,
        "The workers were not busy all the time: the figures are void.": not ours.least,
    }
    return missed + [line for line, is_wrong in wrong.items() if is_wrong]


def main(options: argparse.Namespace) -> int:
    """Measure, print, and return the exit status."""
    console = Console(width=120)
    demo_photos.fetch()
    photos = Photos(size=options.size)
    clients = tuple(options.clients)
    plan = Plan(photos=photos, requests=options.requests, clients=clients, console=console)
    ours = measure_installation(plan)
    servers = {
        "facewatch, workers saturated": ours.timings,
        "blocking": measure_lecture(plan),
        "threaded": measure_lecture(plan, "--threads"),
    }
    lines = rows(servers)
    table = Table(*HEAD, title=f"{machine.describe()}; {photos.describe()}", title_justify="left")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    if options.markdown:
        Path(options.markdown).write_text(markdown(lines))
    console.print(
        f"{ours.accepted} photos accepted, {ours.refused} refused, {ours.done} done in the end;"
        f" at least {ours.least} waited for a worker while it was measured"
    )
    found = failures(ours, blocking=servers["blocking"])
    console.print("\n".join(found) or "The goal is met.")
    return int(bool(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=150, help="for each number of clients")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, metavar="COUNT")
    parser.add_argument(
        "--size", type=int, default=SIZE, help="pixels on the longest side of the photos"
    )
    parser.add_argument("--markdown", metavar="FILE", help="where the table goes, for a document")
    sys.exit(main(parser.parse_args()))
