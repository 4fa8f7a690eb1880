"""Cuts worker hosts off from the database and the queue in mid-work, heals them, and counts what is lost or doubled.

    python -m tests.hosts.cut [--seed 1] [--log FILE]

Three network namespaces: the core with PostgreSQL, Redis, web server, sweeper and a mail server, and two worker hosts
that share the folder of the photos. Ends with status 1 if something is wrong, and with 77 where there can be no
namespaces.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from demo import photos as demo_photos
from tests.faults import lobby
from tests.hosts import network
from tests.installation import ROOT, Installation
from tests.mailbox import Mailbox
from tests.patience import wait_until
from tests.pictures import small_copy
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

#: Exit status that says that nothing was tried.
SKIPPED = 77
#: Seconds of a lease, and until a silent connection is given up.
LEASE_SECONDS, SILENCE_SECONDS = 4, 6
#: Seconds between two heartbeats of a worker (`ledger.workers`).
BEAT_SECONDS = 3
#: Seconds of a short cut: leases end in it, and what was sent before it may still arrive after it.
SHORT_CUT = LEASE_SECONDS + 1.5
#: Seconds in which a host that went silent must be missed (its heartbeats' limit, and a look), and in which one that
#: is reached again must be back.
MISSED_SECONDS, BACK_SECONDS = 26, 15
#: Photos that come in while a host is cut off, and the pixels of their longest side: enough to keep workers busy.
BURST, SIZE = 24, 640
#: Seconds in which things must come about, on a busy machine.
DRAIN_SECONDS = 90


class Site:
    """The core, and the two hosts."""

    def __init__(self, folder: Path, *, stack: ExitStack, log: IO[str]) -> None:
        self._log = log
        self._numbers = count(1)
        self.accepted: list[str] = []
        self.mailbox = Mailbox().start(address=str(network.CORE.ip))
        stack.callback(self.mailbox.stop)
        postgres = stack.enter_context(PostgresServer(network=str(network.CORE)))
        # Nobody else is in this network.
        redis = stack.enter_context(RedisServer(bind="0.0.0.0", protected_mode="no"))  # noqa: S104
        self.core = Installation(
            folder / "core",
            DATABASE_URL=postgres.create(),
            REDIS_URL=f"redis://{network.CORE.ip}:{redis.port}/0",
            EMAIL_URL=f"smtp://{network.CORE.ip}:{self.mailbox.controller.port}",
            FACEWATCH_LEASE_SECONDS=str(LEASE_SECONDS),
            FACEWATCH_SILENCE_SECONDS=str(SILENCE_SECONDS),
            FACEWATCH_WORKERS="1",
        )
        self.core.manage("prepare")
        (self.core.data_dir / "media").mkdir(exist_ok=True)
        granian = ("-m", "granian", "--interface", "wsgi", "facewatch.wsgi:application")
        self._serve(
            *granian, "--port", str(self.core.port), "--blocking-threads", "16", stack=stack
        )
        self._serve("manage.py", "sweep", "--every", "1", stack=stack)
        self.hosts = [
            network.Host(name, number=number) for number, name in enumerate(("north", "south"), 2)
        ]
        for host in self.hosts:
            stack.callback(host.stop)
        self.workers = [self.run_on(host, "manage.py", "worker", output=log) for host in self.hosts]
        self.token = self.core.token("manager", "manager")
        wait_until(lambda: self.seen() == {"north", "south"})

    def run_on(
        self, host: network.Host, *arguments: str, output: int | IO[str]
    ) -> "subprocess.Popen[str]":
        """Start a Python program on a host, which has a data folder of its own and shares the photos."""
        folder = self.core.data_dir.with_name(host.name)
        folder.mkdir(exist_ok=True)
        if not (folder / "media").exists():
            (folder / "media").symlink_to(self.core.data_dir / "media")
        environment = self.core.environment | {"FACEWATCH_DATA_DIR": str(folder)}
        return host.start(sys.executable, *arguments, environment=environment, output=output)

    def upload(self, number: int) -> None:
        """Upload so many photos of the watched person, some at once."""
        photos = [
            small_copy(lobby.NAMES[one % len(lobby.NAMES)], number=one, size=SIZE)
            for one in islice(self._numbers, number)
        ]
        send = partial(self.core.upload, "/api/v1/photos/", token=self.token)
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(send, photos))
        assert {answer.status for answer in answers} == {202}
        self.accepted += [answer.json()["id"] for answer in answers]

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Upload photos meanwhile; the first of them are accepted before."""
        self.upload(4)
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(self.upload, BURST)
            yield
            upload.result()

    def seen(self) -> set[str]:
        """Return the hosts of the workers that GET queue/ names."""
        try:
            answer = self.core.get("/api/v1/queue/", token=self.token)
        except OSError:
            return set()
        return {worker["host"] for worker in answer.json()["workers"]}

    def age_of(self, host: network.Host) -> float:
        """Return how many seconds ago the workers of a host reported themselves."""
        ((found,),) = self.core.query(
            f"SELECT extract(epoch FROM now() - max(seen_at)) FROM ledger_worker WHERE host = '{host.name}'"  # noqa: S608 (a name from below)
        )
        return float(found)

    def held(self) -> dict[Any, Any]:
        """Return which lease each photo is held by."""
        return dict(
            self.core.query(
                "SELECT id, lease_token FROM recognition_photo WHERE lease_token IS NOT NULL"
            )
        )

    def done(self) -> int:
        """Return how many of the accepted photos are done."""
        rows = self.core.query("SELECT id FROM recognition_photo WHERE stage = 'done'")
        return len({str(pk) for (pk,) in rows} & set(self.accepted))

    def drain(self, *, seconds: float = DRAIN_SECONDS) -> None:
        """Return once nothing is left to do."""
        wait_until(lambda: not lobby.unfinished(self.core), seconds=seconds)

    def _serve(self, *arguments: str, stack: ExitStack) -> None:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ledger.processes",
                str(os.getpid()),
                sys.executable,
                *arguments,
            ],
            cwd=ROOT,
            env=self.core.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)


class Late:
    """A program on a host that will be too late with its outcome; see `tests.hosts.late`."""

    def __init__(self, site: Site, host: network.Host, *, how: str) -> None:
        self._program = site.run_on(host, "-m", "tests.hosts.late", how, output=subprocess.PIPE)
        self.photo = str(self._read())

    def try_now(self) -> list[str]:
        """Let it store its outcome; return what came of its two tries."""
        assert self._program.stdin is not None
        self._program.stdin.write("go on\n")
        self._program.stdin.flush()
        return list(self._read())

    def _read(self) -> Any:
        assert self._program.stdout is not None
        return json.loads(self._program.stdout.readline())


@dataclass(kw_only=True)
class Report:
    """What was done and measured, and what is wrong with it."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, name: str, value: Any, *, fits: bool) -> None:
        """Take down a figure, and that it is wrong."""
        self.figures[name] = value
        if not fits:
            self.wrong.append(f"{name}: {value}")


def cut_shortly(site: Site, host: network.Host, *, how: str, wait: float) -> tuple[int, int]:
    """Cut a host off in mid-work, until its leases are over; return how many it held, and how many of these it lost."""
    with site.uploading():
        time.sleep(wait)
        host.cut(how)
    time.sleep(0.4)
    first = site.held()
    time.sleep(0.8)
    # The other host holds none for so long.
    stuck = {pk: token for pk, token in site.held().items() if first.get(pk) == token}
    time.sleep(SHORT_CUT - 1.2)
    after = site.held()
    host.heal()
    return len(stuck), sum(after.get(pk) != token for pk, token in stuck.items())


def cut_for_long(site: Site, host: network.Host, *, how: str, report: Report) -> None:
    """Cut a host off until it is missed; what it began is done by the other, and its own outcomes come to nothing."""
    wait_until(lambda: site.age_of(host) < BEAT_SECONDS)
    late = [Late(site, host, how=one) for one in ("claimed", "storing")]
    site.accepted += [one.photo for one in late]
    with site.uploading():
        host.cut(how)
        began = time.monotonic()
    done, missed = "all done without it after (s)", "missed by GET queue/ after (s)"
    times: dict[str, float] = {}

    def both() -> bool:
        for name, came in (
            (done, site.done() == len(site.accepted)),
            (missed, host.name not in site.seen()),
        ):
            if came:
                times.setdefault(name, round(time.monotonic() - began, 1))
        return len(times) == 2

    wait_until(both, seconds=DRAIN_SECONDS)
    report.figures[done] = times[done]
    report.expect(missed, times[missed], fits=times[missed] < MISSED_SECONDS)
    host.heal()
    began = time.monotonic()
    tries = [one.try_now() for one in late]
    report.expect("late outcomes of it", tries, fits=all(ends[-1] == "LeaseLost" for ends in tries))
    wait_until(lambda: host.name in site.seen(), seconds=DRAIN_SECONDS)
    back = round(time.monotonic() - began, 1)
    report.expect("back after (s)", back, fits=back < BACK_SECONDS)


def try_out(site: Site, *, seed: int) -> Report:
    """Cut hosts off one after the other; return what came of it."""
    report = Report()
    # When and how is no secret.
    chance = random.Random(seed)  # noqa: S311
    lobby.open_for(site.core, modes=("instant",))
    one, other = chance.sample(site.hosts, 2)
    *short, long = chance.sample(network.CUTS, len(network.CUTS))
    held = lost = 0
    for how in short:
        cut = cut_shortly(site, one, how=how, wait=chance.uniform(0, 0.5))
        held, lost = held + cut[0], lost + cut[1]
    report.figures["cut off"] = f"{', '.join(short)}, and for long: {long}"
    report.figures["leases that it held, and that others had meanwhile"] = f"{held}, {lost}"
    cut_for_long(site, one, how=long, report=report)
    before = site.done()
    other.cut(long)
    site.upload(3)
    # What the other one had in its hands waits for its lease.
    wait_until(lambda: site.done() >= before + 3, seconds=DRAIN_SECONDS)
    report.figures["done by it alone afterwards"] = site.done() - before
    other.heal()
    site.drain()
    wait_until(lambda: site.seen() == {"north", "south"}, seconds=DRAIN_SECONDS)
    found = lobby.findings(site.core, accepted=site.accepted, mailbox=site.mailbox)
    for name, number in found.items():
        report.expect(name, number, fits=name not in lobby.NEVER or not number)
    report.expect(
        "consumers that ended",
        sum(worker.poll() is not None for worker in site.workers),
        fits=all(worker.poll() is None for worker in site.workers),
    )
    return report


def main(options: argparse.Namespace) -> int:
    """Try it out, print the table, and return the exit status."""
    console = Console(width=110)
    try:
        network.enter_the_core()
    except network.Impossible as reason:
        console.print(f"Nothing was tried: {reason}.")
        return SKIPPED
    demo_photos.fetch()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="facewatch-hosts-")))
        log = stack.enter_context(Path(options.log or folder / "log").open("w"))
        report = try_out(Site(folder, stack=stack, log=log), seed=seed)
    table = Table("figure", "value", title=f"Hosts cut off, seed {seed}", title_justify="left")
    for name, value in report.figures.items():
        table.add_row(name, str(value))
    console.print(table)
    console.print("\n".join(f"wrong: {line}" for line in report.wrong) or "All is well.")
    return int(bool(report.wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, help="when and how; drawn unless given")
    parser.add_argument("--log", metavar="FILE", help="where the log of all processes goes")
    sys.exit(main(parser.parse_args()))
