"""The wake-ups of alerts: losing one or running it twice changes nothing."""

import uuid
from collections.abc import Iterable
from typing import Any

from django.utils import timezone
from huey import crontab

from alerts import deliveries, digests, escalation, incidents, watch
from alerts.models import Delivery, Digest
from ledger import crashpoints, pauses, queues, windows
from ledger.queues import DELIVER, PERIODIC, wake

#: Seconds between two looks for digests that are due.
DIGEST_LOOK_SECONDS = 60
#: Seconds between two looks for alerts that have ended, or waited too long.
FOLLOW_SECONDS = 60


@queues.deliver.task(priority=DELIVER)
def deliver(delivery_id: str) -> None:
    """Wake-up for one delivery that is to be sent at once."""
    deliveries.deliver(delivery_id)


@queues.deliver.task(priority=DELIVER)
def send_digest(digest_id: str) -> None:
    """Wake-up for one digest."""
    digests.send_digest(digest_id)


@queues.deliver.periodic_task(crontab(minute="*"), expires=55, priority=PERIODIC)
def send_due_digests() -> None:
    """Open the digests that are due; once a minute, however many consumers run.

    None while they are paused: the first one after that tells everything at once.
    """
    if pauses.is_paused(pauses.subject_of(Digest, Digest.Stage.PENDING)):
        return
    now = timezone.now()
    if windows.enter("digests", seconds=DIGEST_LOOK_SECONDS, now=now):
        crashpoints.reach("window: entered")
        opened = digests.open_due_digests(now)
        crashpoints.reach("digest: opened")
        for digest in opened:
            wake_digest(digest)


@queues.deliver.periodic_task(crontab(minute="*"), expires=55, priority=PERIODIC)
def follow_alerts() -> None:
    """End the alerts that nothing joins any more, and escalate those that nobody reviewed; once a minute."""
    now = timezone.now()
    if windows.enter("alerts", seconds=FOLLOW_SECONDS, now=now):
        wake_deliveries([*incidents.end_due(now), *escalation.escalate_due(now)])


def wake_delivery(delivery: Delivery) -> None:
    """Wake a worker for a delivery; one that is not `pending` needs none, and nothing happens."""
    wake(deliver, delivery.pk, priority=delivery.priority)


def wake_deliveries(told: Iterable[Delivery]) -> None:
    """Wake workers for several."""
    for delivery in told:
        wake_delivery(delivery)


def wake_digest(digest: Digest) -> None:
    """Wake a worker for a digest; one that is not `pending` needs none, and nothing happens."""
    wake(send_digest, digest.pk, priority=digest.priority)


def hear_of_photo(photo_id: uuid.UUID, *, historic: bool = False, **_: Any) -> None:
    """Raise the alerts of a photo that was recognised and wake their deliveries: the listener of `photo_recognised`."""
    instant = watch.raise_alerts(photo_id, historic=historic)
    crashpoints.reach("alerts: raised")
    wake_deliveries(instant)
