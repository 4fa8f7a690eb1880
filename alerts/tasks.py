"""The wake-ups of alerts: losing one or running it twice changes nothing."""

import uuid
from typing import Any

from django.utils import timezone
from huey import crontab

from alerts import deliveries, digests, watch
from alerts.models import Delivery, Digest
from ledger import crashpoints, pauses, windows
from ledger.queues import DELIVER, PERIODIC, huey, wake

#: Seconds between two looks for digests that are due.
DIGEST_LOOK_SECONDS = 60


@huey.task(priority=DELIVER)
def deliver(delivery_id: str) -> None:
    """Wake-up for one delivery that is to be sent at once."""
    deliveries.deliver(delivery_id)


@huey.task(priority=DELIVER)
def send_digest(digest_id: str) -> None:
    """Wake-up for one digest."""
    digests.send_digest(digest_id)


@huey.periodic_task(crontab(minute="*"), expires=55, priority=PERIODIC)
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


def wake_delivery(delivery: Delivery) -> None:
    """Wake a worker for a delivery; one that is not `pending` needs none, and nothing happens."""
    wake(deliver, delivery.pk, priority=delivery.priority)


def wake_digest(digest: Digest) -> None:
    """Wake a worker for a digest; one that is not `pending` needs none, and nothing happens."""
    wake(send_digest, digest.pk, priority=digest.priority)


def hear_of_photo(photo_id: uuid.UUID, **_: Any) -> None:
    """Raise the alerts of a photo that was recognised and wake their deliveries: the listener of `photo_recognised`."""
    instant = watch.raise_alerts(photo_id)
    crashpoints.reach("alerts: raised")
    for delivery in instant:
        wake_delivery(delivery)
