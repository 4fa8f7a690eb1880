"""Periodic work that fires once per window, however many consumers ask for it."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from ledger.models import Window

#: Days after which the rows of past windows are of no use.
KEEP_DAYS = 7


def enter(job: str, *, seconds: int, now: datetime | None = None) -> bool:
    """Return True to the first caller within the window of so many seconds (counted from midnight UTC), else False."""
    now = now or timezone.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    opens_at = midnight + timedelta(seconds=(now - midnight).seconds // seconds * seconds)
    try:
        with transaction.atomic():
            Window.objects.create(job=job, opens_at=opens_at)
    except IntegrityError:
        return False
    Window.objects.filter(opens_at__lt=now - timedelta(days=KEEP_DAYS)).delete()
    return True
