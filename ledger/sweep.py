"""Wakes what was forgotten: run every 15 s, by any number of processes at once.

A sweep changes nothing that is in order, so a second one wakes nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db.models import F
from django.utils import timezone

from ledger import crashpoints, kinds, leases, queues
from ledger.kinds import Kind

logger = logging.getLogger(__name__)

#: Code of a row whose worker vanished at each of its attempts.
WORKER_DIED = "worker_died"
#: Most wake-ups that one sweep sends to one queue, so that it ends in time for the next.
MOST_WAKE_UPS = 5000


@dataclass(kw_only=True)
class Report:
    """What one sweep did."""

    buried: int = 0
    woken: int = 0
    chores: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        chores = "".join(f", {count} {name}" for name, count in self.chores.items() if count)
        return f"{self.woken} woken, {self.buried} given up{chores}"


def sweep() -> Report:
    """Give up rows whose attempts are used, do the apps' chores, and wake the rows that no message will wake."""
    report = Report()
    for kind in kinds.KINDS:
        report.buried += _bury(kind)
    crashpoints.reach("sweep: given up")
    for name, chore in kinds.CHORES.items():
        report.chores[name] = _do(chore, name=name)
    report.woken = sum(_wake(name) for name in queues.NAMES)
    return report


def _do(chore: Callable[[], int], *, name: str) -> int:
    """Return how many a chore mended; one that fails keeps nothing from being woken, and the next sweep tries again."""
    try:
        return chore()
    except Exception:
        logger.exception("The sweep's chore failed: %s", name)
        return 0


def _bury(kind: Kind) -> int:
    """Make rows `failed` that are out of attempts and whose last holder's lease ran out."""
    now = timezone.now()
    spent = kind.rows().filter(leases.expired(now), attempts__gte=kind.model.MAX_ATTEMPTS)
    return spent.update(
        stage=kind.model.FAILED,
        failed_stage=F("stage"),
        error_code=WORKER_DIED,
        error_detail=f"The worker died or overran its time in each of {kind.model.MAX_ATTEMPTS} attempts.",
        lease_token=None,
        lease_until=None,
        finished_at=now,
    )


def _wake(queue: str) -> int:
    """Send as many wake-ups as there are ready rows without a message: the most urgent rows, of these the oldest."""
    try:
        queued = queues.length(queue)
    except Exception as error:  # noqa: BLE001 (every storage raises its own kind)
        logger.warning("The queue does not answer (%s); rows wait for the next sweep", error)
        return 0
    of_queue = [kind for kind in kinds.KINDS if kind.queue == queue]
    ready = [kind.ready() for kind in of_queue]
    missing = min(sum(rows.count() for rows in ready) - queued, MOST_WAKE_UPS)
    if missing <= 0:
        return 0
    first = sorted(
        (-kind.urgency - priority, created_at, number, str(pk), priority)
        for number, (kind, rows) in enumerate(zip(of_queue, ready, strict=True))
        for priority, created_at, pk in rows.order_by("-priority", "created_at").values_list(
            "priority", "created_at", "pk"
        )[:missing]
    )[:missing]
    for sent, (_, _, number, pk, priority) in enumerate(first):
        queues.wake(of_queue[number].task, pk, priority=priority)
        if queues.breaker.is_open():
            # The broker answers, but takes no message: the next sweep tries again.
            return sent
        crashpoints.reach("sweep: one woken")
    return len(first)
