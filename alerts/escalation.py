"""Alerts that nobody reviewed in time are told to those who subscribed to that."""

from datetime import datetime, timedelta

from django.db import transaction

from alerts import events
from alerts.models import Alert, Delivery, Event, WatchList

#: Alerts that are escalated in one go.
MOST_ESCALATED = 500


def escalate_due(now: datetime) -> list[Delivery]:
    """Escalate what waits longer than its list allows, once each; return the deliveries to send now.

    What looking back found waits for nobody: it is escalated never.
    """
    told: list[Delivery] = []
    for watchlist in WatchList.objects.filter(is_active=True, escalate_after_seconds__isnull=False):
        waited = now - timedelta(seconds=watchlist.escalate_after_seconds or 0)
        due = (
            Alert.objects.filter(
                watchlist=watchlist,
                status=Alert.Status.OPEN,
                historic=False,
                created_at__lte=waited,
            )
            .exclude(events__kind=Event.Kind.ESCALATED)
            .order_by("created_at")
        )
        for alert in due.select_related("watchlist")[:MOST_ESCALATED]:
            told += _escalate(alert)
    return told


def _escalate(alert: Alert) -> list[Delivery]:
    with transaction.atomic():
        # Unless somebody reviews it in this very moment.
        waits = Alert.objects.select_for_update(of=("self",)).filter(
            pk=alert.pk, status=Alert.Status.OPEN
        )
        return events.publish(alert, Event.Kind.ESCALATED) if waits.exists() else []
