"""An operator's verdict on an alert; two at once never overwrite each other."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts import events, rejections
from alerts.models import NOT_THIS_PERSON, Alert, Delivery, Event


class StaleAlert(Exception):
    """The alert was changed since the reviewer saw it; nothing was stored."""


def decide(alert: Alert, *, status: str, reason: str = "", by: Any, version: int) -> list[Delivery]:
    """Confirm, dismiss or set aside the alert as the reviewer saw it, or change that verdict; the alert is read anew.

    `open` takes a verdict back: the alert waits again, and nobody has reviewed it. `version` is the one that the
    reviewer saw. A dismissal as "not this person" rejects the face. An ambiguous alert that is confirmed is told now,
    and who was told the opposite of a verdict gets a correction; returned is what to send now, which the caller wakes.
    Raises StaleAlert if the version is no longer the alert's; then nothing is stored.
    """
    taken_back = status == Alert.Status.OPEN
    with transaction.atomic():
        changed = Alert.objects.filter(pk=alert.pk, version=version).update(
            status=status,
            reason=reason,
            reviewed_by=None if taken_back else by,
            reviewed_at=None if taken_back else timezone.now(),
            version=F("version") + 1,
        )
        if not changed:
            raise StaleAlert("The alert was changed by someone else meanwhile; look at it again.")
        before = alert.status
        alert.refresh_from_db()
        if status == Alert.Status.DISMISSED and reason == NOT_THIS_PERSON:
            rejections.reject(alert, by=by)
        else:
            rejections.undo_of(alert)
        return _publish(alert, before=before)


def _publish(alert: Alert, *, before: str) -> list[Delivery]:
    # All but the ambiguous were told when they were raised.
    is_untold = alert.is_ambiguous and not events.was_published(alert, Event.Kind.RAISED)
    told: list[Delivery] = []
    if is_untold and alert.status == Alert.Status.CONFIRMED:
        told += events.publish(alert, Event.Kind.RAISED)
        is_untold = False
    if is_untold and not events.was_published(alert, Event.Kind.ESCALATED):
        return []
    if alert.status != before:
        told += events.publish(alert, Event.Kind.REVIEWED)
    return told
