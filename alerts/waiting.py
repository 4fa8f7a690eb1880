"""The alerts that wait for a reviewer, in the order in which they are looked at: the oldest first.

Places in it are told by an alert, never by a number: so nobody's place moves when others decide meanwhile.
"""

import uuid
from dataclasses import dataclass

from django.db.models import Count, Q

from alerts.browsing import open_alerts
from alerts.models import Alert

#: Oldest first; alerts of one moment by their id.
ORDER = ("created_at", "id")


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where an alert stands among those that are open: `number`, counted from 1, of `total`."""

    number: int
    total: int


def to_review(place: uuid.UUID | str | None) -> Alert | None:
    """Return the alert to look at for someone who was last at `place`: it, else the next, else the first that is open.

    None when nothing waits. Two queries at the most, whatever waits.
    """
    left = Alert.objects.filter(pk=place).first() if place else None
    if left is not None and left.status == Alert.Status.OPEN:
        return left
    return after(left) if left else open_alerts().order_by(*ORDER).first()


def after(alert: Alert) -> Alert | None:
    """Return the next open alert; after the last one the first; None if no other one is open."""
    others = open_alerts().exclude(pk=alert.pk).order_by(*ORDER)
    # One bound that an index can start at; those of the same moment are few.
    later = others.filter(created_at__gte=alert.created_at)
    return later.exclude(created_at=alert.created_at, pk__lt=alert.pk).first() or others.first()


def before(alert: Alert) -> Alert | None:
    """Return the open alert before this one; None before the first."""
    others = open_alerts().exclude(pk=alert.pk).order_by("-created_at", "-id")
    earlier = others.filter(created_at__lte=alert.created_at)
    return earlier.exclude(created_at=alert.created_at, pk__gt=alert.pk).first()


def position(alert: Alert) -> Position:
    """Return how many are open, and how many of them were raised until this one was; one query, over an index."""
    until = Q(created_at__lte=alert.created_at)
    found = open_alerts().aggregate(number=Count("pk", filter=until), total=Count("pk"))
    return Position(number=found["number"], total=found["total"])
