"""What happens to alerts, told once to whoever listens: the one place where anything is published."""

from django.db import transaction
from django.db.models import F

from alerts import fanout
from alerts.models import Alert, Delivery, Event, EventState


def publish(alert: Alert, kind: str) -> list[Delivery]:
    """Store an event of an alert with its deliveries; return those to send now, which the caller wakes.

    Call it in the transaction that changes the alert, or it raises. Numbers are given in the order of the commits: the
    row lock on their state makes the next writer wait for this one. What happens once is published once: nothing comes
    of a second call. An alert may be reviewed, and end, more than once.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(
            "An event outside the transaction of its change could be told and not have happened."
        )
    EventState.objects.get_or_create(pk=1)
    EventState.objects.filter(pk=1).update(number=F("number") + 1)
    number = EventState.objects.values_list("number", flat=True).get(pk=1)
    if kind not in Event.REPEATED and was_published(alert, kind):
        return []
    event = Event.objects.create(number=number, alert=alert, kind=kind, status=alert.status)
    return fanout.spread(event)


def was_published(alert: Alert, kind: str) -> bool:
    """Return whether an event of this kind was published of the alert."""
    return Event.objects.filter(alert=alert, kind=kind).exists()
