"""The workers that are alive, as each reports itself every few seconds."""

import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection
from django.db.models import F
from django.utils import timezone

from ledger import kinds, queues
from ledger.models import Served, Worker

#: Seconds between two reports of a worker.
BEAT_SECONDS = 3
#: Seconds without a report after which a worker counts as gone.
GONE_SECONDS = 20
#: Hours after which the row of a worker that is gone is removed.
FORGET_HOURS = 1


class Heartbeat:
    """Reports this process as a worker, from a thread of its own, until stopped."""

    def __init__(self, *, engine: str, queues: Sequence[str]) -> None:
        self._host = socket.gethostname()
        self.name = f"{self._host}-{os.getpid()}"
        self._queues = ",".join(queues)
        self.doing = ""
        self.doing_since: datetime | None = None
        self._begun = 0.0
        #: Seconds by queue since the last report.
        self._busy: dict[str, float] = defaultdict(float)
        self._engine = engine
        self._started_at = timezone.now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Report once now, so that the worker is known before it takes work, then keep reporting."""
        self._report()
        self._thread.start()

    def stop(self) -> None:
        """Remove the row: a worker that ends in order is not missed."""
        self._stop.set()
        self._thread.join()
        Worker.objects.filter(name=self.name).delete()

    def begin(self, doing: str) -> None:
        """Say what this process does from now on; told with the next report."""
        self.doing, self.doing_since = doing, timezone.now()
        self._begun = time.monotonic()

    def end(self, *, queue: str) -> None:
        """Say that it is idle, and which queue had it busy until now."""
        self.doing, self.doing_since = "", None
        self._busy[queue] += time.monotonic() - self._begun

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self._report()
            except DatabaseError:
                # The database is away: the next beat tries again on a fresh connection.
                connection.close()
        connection.close()

    def _report(self) -> None:
        busy, self._busy = self._busy, defaultdict(float)
        minute = timezone.now().replace(second=0, microsecond=0)
        for queue, seconds in busy.items():
            row, _made = Served.objects.get_or_create(queue=queue, starts_at=minute)
            Served.objects.filter(pk=row.pk).update(seconds=F("seconds") + seconds)
        Worker.objects.update_or_create(
            name=self.name,
            defaults={
                "host": self._host,
                "pid": os.getpid(),
                "queues": self._queues,
                "engine": self._engine,
                "memory_bytes": memory_bytes(),
                "started_at": self._started_at,
                "seen_at": timezone.now(),
                "doing": self.doing,
                "doing_since": self.doing_since,
            },
        )


def alive() -> list[dict[str, Any]]:
    """Return the workers heard of lately: what each is, what it takes, and what it does (empty when idle)."""
    return [
        {
            "name": worker.name,
            "seen_seconds_ago": max(0.0, kinds.age_seconds(worker.seen_at)),
            "doing": worker.doing,
            "host": worker.host,
            "pid": worker.pid,
            "queues": worker.queues.split(","),
            "engine": worker.engine,
            "memory_bytes": worker.memory_bytes,
        }
        for worker in Worker.objects.filter(seen_at__range=_lately()).order_by("name")
    ]


def untaken() -> list[str]:
    """Return the queues that no worker heard of lately takes; one query."""
    taken = {name for worker in alive() for name in worker["queues"]}
    return [name for name in queues.NAMES if name not in taken]


def memory_bytes() -> int | None:
    """Return how much memory this process holds; None where that is unknown."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, ValueError):
        return None


def known() -> tuple[list[Worker], list[Worker]]:
    """Return the workers heard of lately, by name, and those that are gone, the latest first; one query."""
    first, last = _lately()
    workers = list(Worker.objects.order_by("name"))
    here = [worker for worker in workers if first <= worker.seen_at <= last]
    gone = [worker for worker in workers if worker not in here]
    return here, sorted(gone, key=lambda worker: worker.seen_at, reverse=True)


def _lately() -> tuple[datetime, datetime]:
    """Return within what time a worker that is alive has reported itself."""
    now = timezone.now()
    # A report from the future was made before the clock was set back.
    return now - timedelta(seconds=GONE_SECONDS), now + timedelta(seconds=GONE_SECONDS)


def forget_the_gone() -> int:
    """Remove the rows of workers that died long ago; return how many."""
    before = timezone.now() - timedelta(hours=FORGET_HOURS)
    return Worker.objects.filter(seen_at__lt=before).delete()[0]
