"""The workers that are alive, as each reports itself every few seconds."""

import os
import socket
import threading
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from ledger import kinds
from ledger.models import Worker

#: Seconds between two reports of a worker.
BEAT_SECONDS = 3
#: Seconds without a report after which a worker counts as gone.
GONE_SECONDS = 20
#: Hours after which the row of a worker that is gone is removed.
FORGET_HOURS = 1


class Heartbeat:
    """Reports this process as a worker, from a thread of its own, until stopped."""

    def __init__(self, *, engine: str) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.doing = ""
        self.doing_since: datetime | None = None
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

    def end(self) -> None:
        """Say that it is idle."""
        self.doing, self.doing_since = "", None

    def _beat(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            try:
                self._report()
            except DatabaseError:
                # The database is away: the next beat tries again on a fresh connection.
                connection.close()
        connection.close()

    def _report(self) -> None:
        Worker.objects.update_or_create(
            name=self.name,
            defaults={
                "engine": self._engine,
                "started_at": self._started_at,
                "seen_at": timezone.now(),
                "doing": self.doing,
                "doing_since": self.doing_since,
            },
        )


def alive() -> list[dict[str, Any]]:
    """Return the workers heard of lately: `name`, `seen_seconds_ago`, `doing` (empty when idle)."""
    return [
        {
            "name": worker.name,
            "seen_seconds_ago": max(0.0, kinds.age_seconds(worker.seen_at)),
            "doing": worker.doing,
        }
        for worker in Worker.objects.filter(seen_at__range=_lately()).order_by("name")
    ]


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
