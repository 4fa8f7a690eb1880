"""The supervisor: starts the parts of an installation as processes, restarts what dies, ends them in order."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from ledger import processes

#: Seconds before the first restart of a part; each further one waits twice as long, up to the longest.
FIRST_RESTART, LONGEST_RESTART = 1.0, 30.0
#: Seconds after which a part that ran counts as healthy, and its next restart as the first.
HEALTHY_SECONDS = 30.0
#: What a server that listens on every network card is reached at from here.
LOOPBACK = "127.0.0.1"
EVERYWHERE = {"0.0.0.0", "::", ""}  # noqa: S104 (compared with, not listened on)
#: Seconds between two looks at the parts.
WATCH_SECONDS = 0.2


class CannotServe(Exception):
    """The installation cannot be started; the text says why and what to do."""


@dataclass(kw_only=True)
class Part:
    """One process of the installation: what it is called in the log, what runs, and how long it may take to end."""

    name: str
    command: Sequence[str]
    grace_seconds: float
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0

    def back_off(self, now: float) -> float:
        """Record that the process ended, or could not be started; return the seconds until it is started again."""
        if now - self.started_at > HEALTHY_SECONDS:
            self.failures = 0
        wait = min(LONGEST_RESTART, FIRST_RESTART * 2.0**self.failures)
        # More would only make the number longer.
        self.failures = min(self.failures + 1, 30)
        self.process = None
        self.restart_at = now + wait
        return wait


class Supervisor:
    """Runs parts until SIGTERM or SIGINT; in the main thread, because parts die with the thread that starts them."""

    def __init__(
        self, parts: Sequence[Part], *, say: Callable[[str], None], ready: Callable[[], bool]
    ) -> None:
        self._parts = parts
        self._say = say
        self._ready = ready
        self._stopping = False

    def run(self, *, when_ready: Callable[[], None]) -> None:
        """Start all parts, call `when_ready` once `ready` says so, and return when all have ended after a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for part in self._parts:
            self._start(part)
        announced = False
        while not self._stopping:
            for part in self._parts:
                self._watch(part)
            if not announced and self._ready():
                announced = True
                when_ready()
            time.sleep(WATCH_SECONDS)
        self._say("[serve] stopping: no new requests, and what is under way ends")
        # In the order given: requests that are under way may wait for workers.
        for part in self._parts:
            self._end(part)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Python takes its handlers away before it ends: one more signal would make a failure of this.
            signal.signal(number, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, part: Part) -> None:
        part.started_at = time.monotonic()
        try:
            # A process group of its own: Ctrl-C at the terminal reaches the supervisor alone, and strays can be found.
            # One session for all: Linux shares processors out by sessions, and when the workers had one, the web server
            # waited for a tick of its clock (4 ms) at every write to the disk.
            part.process = subprocess.Popen(
                [sys.executable, "-P", processes.__file__, str(os.getpid()), *part.command],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                process_group=0,
            )
        except OSError as error:
            # No memory or no process is left for it; the other parts run on.
            wait = part.back_off(part.started_at)
            self._say(
                f"[serve] {part.name} cannot be started ({error}); trying again in {wait:g} s"
            )
            return
        threading.Thread(
            target=self._relay, args=(part.name, part.process.stdout), daemon=True
        ).start()

    def _relay(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                self._say(f"[{name}] {line.rstrip()}")

    def _watch(self, part: Part) -> None:
        """Restart a part that ended, after a wait that grows while it keeps ending."""
        now = time.monotonic()
        if part.process is None:
            if now >= part.restart_at:
                self._start(part)
            return
        code = part.process.poll()
        if code is None:
            return
        _kill_group(part.process)
        how = f"by signal {-code}" if code < 0 else f"with status {code}"
        wait = part.back_off(now)
        self._say(f"[serve] {part.name} ended {how}; starting it again in {wait:g} s")

    def _end(self, part: Part) -> None:
        if part.process is None:
            return
        part.process.terminate()
        try:
            part.process.wait(part.grace_seconds)
        except subprocess.TimeoutExpired:
            self._say(f"[serve] {part.name} did not end within {part.grace_seconds:g} s; killed")
        _kill_group(part.process)
        part.process.wait()


def lock(folder: Path) -> IO[str]:
    """Return the lock of a data folder, held until it is closed or the process dies. Raises CannotServe."""
    file = (folder / "serve.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise CannotServe(
            f"Facewatch is running on {folder} already (process {owner}). Stop it first, or set FACEWATCH_DATA_DIR."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def check_port(host: str, port: int) -> None:
    """Raise CannotServe if the web server could not listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CannotServe(
                f"Cannot listen on {host} port {port}: {error.strerror}. Set FACEWATCH_PORT to a free port."
            ) from error


def reachable_at(host: str) -> str:
    """Return the address at which a server that listens on `host` is reached from its own machine."""
    return LOOPBACK if host in EVERYWHERE else host


def listens(host: str, port: int) -> bool:
    """Return whether somebody listens there."""
    try:
        with socket.create_connection((reachable_at(host), port), timeout=1):
            return True
    except OSError:
        return False


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End what a part left behind: everything in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
