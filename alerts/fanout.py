"""Who hears of an event: a delivery for each subscription that it concerns. Events know nothing of it."""

from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from alerts import hours
from alerts.models import Alert, Delivery, Event, Subscription, WatchList

Channel, Mode, Stage = Subscription.Channel, Subscription.Mode, Delivery.Stage

#: What a subscription that is told at once may say of a mode.
AT_ONCE = (Mode.INSTANT, Mode.ESCALATION)
#: Channels to programs, which sleep at no hour and want every event.
PROGRAMS = (Channel.WEBHOOK,)


def spread(event: Event) -> list[Delivery]:
    """Store a delivery of an event for each subscription that it concerns; return those to send now.

    Call it in the transaction that stores the event; the caller wakes them after it.
    """
    alert = event.alert
    active = list(alert.watchlist.subscriptions.filter(is_active=True))
    concerned = {
        Event.Kind.RAISED: _of_raised,
        Event.Kind.ENDED: _of_ended,
        Event.Kind.REVIEWED: _of_reviewed,
        Event.Kind.ESCALATED: _of_escalated,
    }[Event.Kind(event.kind)](alert, active)
    deliveries = [
        Delivery(
            alert=alert,
            event=event,
            kind=event.kind,
            subscription=subscription,
            channel=subscription.channel,
            target=subscription.target,
            mode=subscription.mode,
            stage=_stage(subscription, alert=alert),
        )
        for subscription in concerned
    ]
    Delivery.objects.bulk_create(deliveries)
    return [delivery for delivery in deliveries if delivery.stage == Stage.PENDING]


def is_quiet(subscription: Subscription, *, now: datetime | None = None) -> bool:
    """Return whether its recipient wants no message now."""
    if subscription.quiet_from is None or subscription.quiet_until is None:
        return False
    if subscription.quiet_from == subscription.quiet_until:
        # Who writes 0:00 to 0:00 means none, and not silence for ever.
        return False
    return bool(
        hours.begins(
            now or timezone.now(),
            start=subscription.quiet_from,
            end=subscription.quiet_until,
            zone=subscription.time_zone,
        )
    )


def _stage(subscription: Subscription, *, alert: Alert) -> str:
    """Return whether it is sent now or waits: for its digest, the end of quiet hours, or the next hour if historic."""
    if subscription.channel in PROGRAMS:
        return Stage.PENDING
    if subscription.mode not in AT_ONCE or alert.historic:
        return Stage.BATCHED
    urgent = alert.watchlist.priority == WatchList.Priority.HIGH
    return Stage.BATCHED if is_quiet(subscription) and not urgent else Stage.PENDING


def _of_raised(alert: Alert, active: Iterable[Subscription]) -> list[Subscription]:
    """Return everybody but those who only hear of what nobody reviewed; of historic ones no program is told at once."""
    unwanted = PROGRAMS if alert.historic else ()
    return [one for one in active if one.mode != Mode.ESCALATION and one.channel not in unwanted]


def _of_escalated(alert: Alert, active: Iterable[Subscription]) -> list[Subscription]:
    return [one for one in active if one.mode == Mode.ESCALATION or one.channel in PROGRAMS]


def _of_ended(alert: Alert, active: Iterable[Subscription]) -> list[Subscription]:
    """Return the programs, and those who were told of fewer sightings than there were in the end."""
    behind, programs = last_told(alert, field="told_count"), _programs_that_heard(alert)
    return [
        one
        for one in active
        if (one.channel, one.target) in programs
        or behind.get((one.channel, one.target), alert.count) != alert.count
    ]


def _of_reviewed(alert: Alert, active: Iterable[Subscription]) -> list[Subscription]:
    """Return the programs, and those who were told the opposite: that it may be the person, or that it is not."""
    told, programs = last_told(alert, field="told_status"), _programs_that_heard(alert)
    return [
        one
        for one in active
        if (one.channel, one.target) in programs
        or is_overturned(told.get((one.channel, one.target)), alert.status)
    ]


def is_overturned(told: object, status: str) -> bool:
    """Return whether a status says the opposite of the one that was told: that it is the person, or that it is not."""
    dismissed = Alert.Status.DISMISSED
    return bool(told) and (told == dismissed) != (status == dismissed)


def _programs_that_heard(alert: Alert) -> set[tuple[str, str]]:
    """Return the programs that were told of the alert, or are to be, by channel and target."""
    heard = Delivery.objects.filter(alert=alert, channel__in=PROGRAMS)
    return set(heard.values_list("channel", "target"))


def last_told(alert: Alert, *, field: str) -> dict[tuple[str, str], object]:
    """Return what each target was told last, by channel and target; programs are left out."""
    told = (
        Delivery.objects.filter(alert=alert)
        .exclude(told_status="")
        .exclude(channel__in=PROGRAMS)
        .order_by("finished_at", "created_at")
    )
    return {(row.channel, row.target): getattr(row, field) for row in told}
