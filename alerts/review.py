"""An operator's verdict on an alert; two at once never overwrite each other."""

from typing import Any

from django.db.models import F
from django.utils import timezone

from alerts.models import Alert


class StaleAlert(Exception):
    """The alert was changed since the reviewer saw it; nothing was stored."""


def decide(alert: Alert, *, status: str, reason: str = "", by: Any, version: int) -> Alert:
    """Confirm, dismiss or set aside the alert as the reviewer saw it, or change that verdict; return it as it is now.

    `open` takes a verdict back: the alert waits again, and nobody has reviewed it. `version` is the one that the
    reviewer saw. Raises StaleAlert if it is no longer the alert's.
    """
    taken_back = status == Alert.Status.OPEN
    changed = Alert.objects.filter(pk=alert.pk, version=version).update(
        status=status,
        reason=reason,
        reviewed_by=None if taken_back else by,
        reviewed_at=None if taken_back else timezone.now(),
        version=F("version") + 1,
    )
    if not changed:
        raise StaleAlert("The alert was changed by someone else meanwhile; look at it again.")
    alert.refresh_from_db()
    return alert
