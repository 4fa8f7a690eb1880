"""Telling one target of one alert at once."""

import uuid

from django.db.models import QuerySet

from alerts import fanout, sending
from alerts.channels import Notice
from alerts.models import Alert, Delivery, Event
from ledger import leases
from ledger.leases import Lease


def deliver(delivery_id: uuid.UUID | str) -> None:
    """Send one `pending` delivery, if it is still wanted. A second call does nothing."""
    lease = leases.claim(Delivery, delivery_id, stage=Delivery.Stage.PENDING)
    if lease is None:
        return
    with leases.held(lease):
        _tell(lease)


def send_again(delivery: Delivery) -> bool:
    """Put a delivery that failed, was dropped or may not have arrived back to be sent: by itself, out of any digest.

    False if it is in another stage. The caller wakes the worker (`tasks.wake_delivery`).
    """
    return bool(send_all_again(Delivery.objects.filter(pk=delivery.pk)))


def send_all_again(rows: "QuerySet[Delivery]") -> int:
    """The same for many, in one statement; return how many."""
    return sending.send_all_again(rows, digest=None)


def not_told() -> "QuerySet[Delivery]":
    """Return the deliveries to send again by themselves: without those that a digest failed to tell."""
    return Delivery.objects.filter(digest=None)


def give_up_the_expired() -> int:
    """Make deliveries `unknown` whose sender went silent while it handed them over; return how many."""
    return sending.give_up_the_expired(Delivery)


def _tell(lease: Lease[Delivery]) -> None:
    delivery = (
        Delivery.objects.filter(pk=lease.row.pk)
        .select_related(
            "subscription",
            "event",
            "alert__person__merged_into",
            "alert__watchlist",
            "alert__photo",
            "alert__face",
            "alert__best_face",
            "alert__rival",
        )
        .first()
    )
    if delivery is None:
        return
    if why := unwanted(delivery):
        sending.drop(lease, why=why)
        return
    notice = Notice(
        id=delivery.pk,
        target=delivery.target,
        alerts=[delivery.alert],
        deliveries=[delivery],
        time_zone=delivery.subscription.time_zone,
    )
    sending.send(lease, notice, channel=delivery.channel)


def unwanted(delivery: Delivery) -> str:
    """Return why nobody wants to hear of this any more; an empty text if they do.

    A correction that was itself corrected before it was told, for example, tells nothing new.
    """
    alert = delivery.alert
    if not delivery.subscription.is_active:
        return "The subscription was switched off before this was sent."
    if delivery.channel in fanout.PROGRAMS:
        return ""
    if delivery.kind == Event.Kind.ESCALATED and alert.status != Alert.Status.OPEN:
        return "It was reviewed before this was sent."
    if delivery.kind == Event.Kind.ENDED and alert.status == Alert.Status.DISMISSED:
        return "It was dismissed before this was sent."
    if delivery.kind == Event.Kind.REVIEWED:
        told = fanout.last_told(alert, field="told_status").get((delivery.channel, delivery.target))
        if not fanout.is_overturned(told, alert.status):
            return "The verdict is again the one that was told."
    return ""
