"""Kills an installation at random while photos come in, and counts what is lost or told twice.

    python -m tests.faults.chaos [--duration 60] [--seed 1] [--redis] [--sweeper off]

Ends with status 1 if a photo that was accepted is neither done nor failed in the end, if an alert was mailed twice to
somebody, or if anything is left held, doubled or running.
"""

import argparse
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

import psycopg
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.faults import lobby
from tests.installation import Installation, signal_all
from tests.mailbox import Mailbox
from tests.pictures import small_copy
from tests.redis_server import RedisServer

OWNERS = ("ann", "ben", "cem")
#: Seconds of a lease: what is killed is taken up after so long.
LEASE_SECONDS = 8
#: Seconds between two events.
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 2.0
#: How often each event comes, against the others.
WEIGHTS = {
    "worker": 8,
    "consumer": 3,
    "web": 3,
    "sweeper": 3,
    "queue": 3,
    "hour": 2,
    "supervisor": 1,
}
#: What an hour that passes brings on, by table: digests, and the look for them.
HOURLY = {
    "alerts_delivery": ("created_at",),
    "alerts_digest": ("window_start", "window_end"),
    "ledger_window": ("opens_at",),
}
#: What a minute brings on: another try of what a mail server did not take, or did not answer, and the publication of a
#: photo whose worker died before it.
TRIES = {
    "recognition_photo": ("finished_at",),
    "alerts_delivery": ("next_try_at",),
    "alerts_digest": ("next_try_at",),
    "alerts_outage": ("until",),
}
#: Seconds in which a consumer that was killed is started again, at the latest, and has looked for digests.
RESTART_SECONDS = 40
#: What the mail server does with a message, and how often.
ANSWERS = {"250 OK": 10, "451 try later": 1, "drop": 1, "hang": 1}


@dataclass(kw_only=True)
class Tally:
    """What the clients were told, and what was done to the installation."""

    accepted: dict[str, str] = field(default_factory=dict)
    refused: int = 0
    events: Counter[str] = field(default_factory=Counter)


class Chaos:
    """One run."""

    def __init__(
        self, folder: Path, *, seed: int, rate: float, redis: RedisServer | None, sweeper: bool
    ) -> None:
        self._rate = rate
        self.tally = Tally()
        self.mailbox = Mailbox().start()
        # What strikes when is no secret; whom it strikes is drawn apart, because how many there are is chance.
        self._random = random.Random(seed)  # noqa: S311
        self._victims = random.Random(seed)  # noqa: S311
        self._redis = redis
        self._sweeper = sweeper
        self._over = threading.Event()
        self.site = Installation(
            folder / "data",
            FACEWATCH_WORKERS="2",
            FACEWATCH_LEASE_SECONDS=str(LEASE_SECONDS),
            FACEWATCH_SWEEP_SECONDS="1",
            EMAIL_URL=f"smtp://127.0.0.1:{self.mailbox.controller.port}",
            **({"REDIS_URL": redis.url} if redis else {}),
        )

    def prepare(self) -> None:
        """Start the installation with one watched person, of whom two hear at once and hourly."""
        self.site.start()
        lobby.open_for(self.site, modes=("instant", "hourly"))
        self._tokens = {owner: self.site.token(owner, "uploader") for owner in OWNERS}

    def run(self, *, seconds: float, look: Callable[[], None]) -> None:
        """Upload and kill for so long."""
        clients = [
            threading.Thread(target=self._upload, args=(number, owner))
            for number, owner in enumerate(OWNERS)
        ]
        freezer = threading.Thread(target=self._freeze_sweeper)
        for thread in (*clients, freezer):
            thread.start()
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                time.sleep(self._random.uniform(SHORTEST_PAUSE, LONGEST_PAUSE))
                self._strike()
                look()
        finally:
            self.mailbox.answer = "250 OK"
            self._over.set()
            for thread in clients:
                thread.join()

    def drain(self, *, seconds: float, look: Callable[[], None]) -> None:
        """Wait until nothing is left to do, and let the time pass that things wait for; give up in the end."""
        deadline = time.monotonic() + seconds
        next_hour = 0.0
        while time.monotonic() < deadline:
            look()
            time.sleep(0.5)
            if lobby.unfinished(self.site):
                self._let_pass("1 minute", brings=TRIES)
            elif not lobby.count(
                self.site, "SELECT count(*) FROM alerts_delivery WHERE stage = 'batched'"
            ):
                return
            elif time.monotonic() > next_hour:
                # A consumer that starts looks for digests at once; otherwise it does when the minute is full.
                next_hour = time.monotonic() + RESTART_SECONDS
                self._strike("hour")
                self._strike("consumer")

    def close(self) -> dict[int, str]:
        """Stop the installation in order; return the processes that are left, of which there must be none."""
        self._freezing = False
        self.site.stop()
        self.mailbox.stop()
        left = self.site.processes()
        signal_all(left, signal.SIGKILL)
        return left

    def _upload(self, number: int, owner: str) -> None:
        """Upload photos of the watched person; one that gets no answer is sent again until it gets one."""
        count = 0
        while not self._over.wait(len(OWNERS) / self._rate):
            count += 1
            photo = small_copy(
                lobby.NAMES[count % len(lobby.NAMES)], number=number + len(OWNERS) * count
            )
            while True:
                try:
                    answer = self.site.upload("/api/v1/photos/", photo, token=self._tokens[owner])
                except (OSError, HTTPException):
                    # Killed before it answered, or in the middle of it.
                    pass
                else:
                    if answer.status in (200, 202):
                        self.tally.accepted[answer.json()["id"]] = lobby.NAMES[
                            count % len(lobby.NAMES)
                        ]
                        break
                    self.tally.refused += 1
                time.sleep(0.3)

    def _freeze_sweeper(self) -> None:
        """Keep every sweeper from running, if it was asked for: the supervisor sees it alive."""
        self._freezing = not self._sweeper
        while self._freezing:
            signal_all(self._named("manage.py sweep"), signal.SIGSTOP)
            time.sleep(0.05)

    def _strike(self, event: str = "") -> None:
        event = event or self._random.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        self.mailbox.answer = self._random.choices([*ANSWERS], [*ANSWERS.values()])[0]
        if self._over.is_set():
            self.mailbox.answer = "250 OK"
        getattr(self, f"_strike_{event}")()
        self.tally.events[event] += 1

    def _strike_worker(self) -> None:
        consumers = self._children_of_supervisor("manage.py worker")
        workers = [pid for pid in self._named("manage.py worker") if pid not in consumers]
        if workers:
            signal_all({self._victims.choice(sorted(workers)): ""}, signal.SIGKILL)

    def _strike_consumer(self) -> None:
        signal_all(self._children_of_supervisor("manage.py worker"), signal.SIGKILL)

    def _strike_web(self) -> None:
        signal_all(self._named("granian"), signal.SIGKILL)

    def _strike_sweeper(self) -> None:
        signal_all(self._named("manage.py sweep"), signal.SIGKILL)

    def _strike_queue(self) -> None:
        if self._redis:
            self._redis.client.flushall()
            return
        for file in self.site.data_dir.glob("queue.sqlite3*"):
            if not file.name.endswith(".lock"):
                file.unlink(missing_ok=True)

    def _strike_supervisor(self) -> None:
        self.site.kill()
        deadline = time.monotonic() + 60
        while self.site.processes():
            assert time.monotonic() < deadline, "processes outlive the supervisor"
            time.sleep(0.1)
        self.site.start()

    def _strike_hour(self) -> None:
        """Let an hour pass for what waits for its digest."""
        self._let_pass("1 hour", brings=HOURLY)

    def _let_pass(self, time_span: str, *, brings: Mapping[str, tuple[str, ...]]) -> None:
        earlier = (
            f"{{0}} - interval '{time_span}'"
            if "DATABASE_URL" in self.site.environment
            else f"datetime({{0}}, '-{time_span}')"
        )
        with suppress(sqlite3.OperationalError, psycopg.OperationalError):
            for table, columns in brings.items():
                moved = ", ".join(f"{name} = {earlier.format(name)}" for name in columns)
                self.site.query(f"UPDATE {table} SET {moved}")  # noqa: S608 (names from above)

    def _named(self, word: str) -> dict[int, str]:
        return {pid: line for pid, line in self.site.processes().items() if word in line}

    def _children_of_supervisor(self, word: str) -> dict[int, str]:
        assert self.site.process is not None
        return {
            pid: line
            for pid, line in self._named(word).items()
            if parent_of(pid) == self.site.process.pid
        }

    def findings(self) -> dict[str, int]:
        """Return what became of everything, by name."""
        return lobby.findings(self.site, accepted=self.tally.accepted, mailbox=self.mailbox)


def parent_of(pid: int) -> int:
    """Return the id of a process' parent; 0 if it ended meanwhile."""
    try:
        # The name in parentheses may hold anything.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def main(options: argparse.Namespace) -> int:
    """Run, print the table, and return the exit status."""
    console = Console(width=100)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="facewatch-chaos-"))
        redis = stack.enter_context(RedisServer()) if options.redis else None
        chaos = Chaos(
            Path(folder),
            seed=seed,
            rate=options.rate,
            redis=redis,
            sweeper=options.sweeper == "on",
        )
        left: dict[int, str] = {}
        try:
            chaos.prepare()
            live = Live(console=console, transient=True, auto_refresh=False)

            def look() -> None:
                counts = ", ".join(f"{name} {count}" for name, count in chaos.tally.events.items())
                live.update(f"accepted {len(chaos.tally.accepted)}; {counts}", refresh=True)

            if console.is_terminal:
                stack.enter_context(live)
            chaos.run(seconds=options.duration, look=look)
            chaos.drain(seconds=options.drain, look=look)
            findings = chaos.findings()
        finally:
            left = chaos.close()
        if options.log:
            Path(options.log).write_text("\n".join(chaos.site.lines))
    findings["processes left"] = len(left)
    table = Table(
        "figure",
        "value",
        title=f"{options.duration:g} s of chaos on {'Redis' if options.redis else 'SqliteHuey'}, seed {seed}",
        title_justify="left",
    )
    for name, count in chaos.tally.events.most_common():
        table.add_row(f"struck: {name}", str(count))
    for name, count in findings.items():
        wrong = name in lobby.NEVER and count
        table.add_row(name, f"{count}  must be 0" if wrong else str(count))
    console.print(table)
    return int(any(findings[name] for name in lobby.NEVER))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duration", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--seed", type=int, help="what strikes when; drawn unless given")
    parser.add_argument(
        "--rate", type=float, default=5, metavar="PHOTOS", help="uploads per second"
    )
    parser.add_argument("--redis", action="store_true", help="a real Redis instead of SqliteHuey")
    parser.add_argument("--sweeper", choices=["on", "off"], default="on", help="off: watch it fail")
    parser.add_argument(
        "--drain", type=float, default=120, metavar="SECONDS", help="longest wait afterwards"
    )
    parser.add_argument("--log", metavar="FILE", help="where the installation's log goes")
    sys.exit(main(parser.parse_args()))
