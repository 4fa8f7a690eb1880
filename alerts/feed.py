"""The events of alerts for programs, in their order: what a message says, and what came after one."""

import json
from datetime import UTC
from typing import Any

from django.conf import settings

from alerts.models import Alert, Event, EventState

#: Events that are read in one go.
MOST_READ = 100


def describe(alert: Alert, *, event: Event | None, kind: str) -> dict[str, Any]:
    """Return what programs are told of an event: thin, with no name and no picture; they ask for the rest."""
    moment = event.created_at if event else alert.created_at
    return {
        "type": f"alert.{kind}",
        "timestamp": moment.astimezone(UTC).isoformat(),
        "data": {
            "id": str(alert.pk),
            "url": f"{settings.BASE_URL}/api/v1/alerts/{alert.pk}/",
            "historic": alert.historic,
            "event": event.number if event else None,
        },
    }


def newest() -> int:
    """Return the number of the newest event, also if that was deleted since; 0 if there was none."""
    return EventState.objects.values_list("number", flat=True).filter(pk=1).first() or 0


def begin(number: int, *, is_reset: bool) -> bytes:
    """Return what a stream begins with: the number from which a program goes on that has read no event yet.

    `is_reset` tells one that named a number which is still to come, as after a backup was restored, that events begin
    anew after this one.
    """
    told = f"id: {number}\n"
    if is_reset:
        told += 'event: stream.reset\ndata: {"type": "stream.reset"}\n'
    return f"{told}\n".encode()


def after(number: int) -> list[Event]:
    """Return the events after a number, oldest first, MOST_READ at the most; one query."""
    events = Event.objects.filter(
        number__gt=number, alert__watchlist__is_canary=False
    ).select_related("alert")
    return list(events.order_by("number")[:MOST_READ])


def as_message(event: Event) -> bytes:
    """Return an event as a server-sent one, with its number as the id by which a program goes on after a break."""
    told = describe(event.alert, event=event, kind=event.kind)
    return f"id: {event.number}\nevent: {told['type']}\ndata: {json.dumps(told)}\n\n".encode()
