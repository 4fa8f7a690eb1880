"""Periodic work that fires once per window, however many consumers ask for it."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from ledger.models import Window

#: Windows entered after one, of all jobs, until its row is removed: a week's of one that is entered every minute.
#: Not counted in time, which a clock that jumps ahead would make pass at once.
KEEP_WINDOWS = 10_000


def enter(job: str, *, seconds: int, now: datetime | None = None) -> bool:
    """Return True to the first caller within the window of so many seconds (counted from midnight UTC), else False."""
    now = now or timezone.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    opens_at = midnight + timedelta(seconds=(now - midnight).seconds // seconds * seconds)
    try:
        with transaction.atomic():
            entered = Window.objects.create(job=job, opens_at=opens_at)
    except IntegrityError:
        return False
    Window.objects.filter(pk__lte=entered.pk - KEEP_WINDOWS).delete()
    return True
