"""A channel that does not answer is left alone: what waits for it keeps no worker from photos.

Each try may cost a worker the time-out. So while a channel is out, one notice a minute finds out whether it answers
again, and all others wait. A target for which alone it does not answer is out by itself, and holds up nobody else.
Where each target stands alone the waits grow: those that are dead for long cost next to nothing.
"""

from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alerts.channels import Busy, ChannelError, HungUp, Undeliverable, Unreachable, Unsure, Withheld
from alerts.channels.webhook import MOST_PATIENCE
from alerts.models import Delivery, Digest, Outage, Outgoing
from alerts.ways import WAYS
from ledger import leases

#: Seconds for which what is out is left alone, and within which one notice may try it; and the most that grows to.
LEFT_ALONE_SECONDS, LONGEST_SECONDS = 60.0, 1800.0
#: Days after which a target that nobody tried any more is forgotten.
FORGET_DAYS = 1
#: Code of a row that waits because its channel or its target is out, and what is told of it.
LEFT_ALONE = "left_alone"
DETAIL = "Its server did not answer lately. It is tried again before long."
#: Stands for all targets.
ALL = ""


def may_pass(*, channel: str, target: str) -> bool:
    """Return whether a notice may be sent now: while its channel or target is out, to the one that finds out."""
    places = [WAYS[channel].place(target), ALL]
    outages = Outage.objects.filter(channel=channel, target__in=places).order_by("-target")
    return all(_may_try(outage) for outage in outages)


def learn(error: ChannelError | None, *, channel: str, target: str) -> None:
    """Draw the conclusions from how a notice ended: with None it was sent."""
    if isinstance(error, (Undeliverable, Withheld)):
        return
    place = WAYS[channel].place(target)
    if isinstance(error, Unreachable):
        _begin(channel, ALL)
    elif isinstance(error, Busy):
        _begin(channel, place, least=error.seconds)
    elif isinstance(error, (HungUp, Unsure)):
        _begin(channel, place)
        if WAYS[channel].stands_alone:
            return
        others = Outage.objects.filter(channel=channel, alone=False).exclude(target=place)
        if others.exists():
            _begin(channel, ALL)
    else:
        _end(channel, place)


def _may_try(outage: Outage) -> bool:
    """Return True to the first who asks when it is time for a try, also after a clock was set back."""
    now = timezone.now()
    latest = now + timedelta(seconds=MOST_PATIENCE + leases.CLOCK_SKEW)
    over = Q(until__lte=now) | Q(until__gt=latest)
    until = now + timedelta(seconds=LEFT_ALONE_SECONDS)
    return bool(Outage.objects.filter(over, pk=outage.pk).update(until=until))


def _begin(channel: str, place: str, *, least: float = 0.0) -> None:
    """Put off what waits for the place; the row that failed asks again by its own back-off."""
    outage, made = Outage.objects.get_or_create(
        channel=channel, target=place, defaults={"until": timezone.now()}
    )
    failures = 1 if made else outage.failures + 1
    seconds = LEFT_ALONE_SECONDS
    if WAYS[channel].stands_alone:
        seconds = min(seconds * 2.0 ** min(failures - 1, 30), LONGEST_SECONDS)
    until = timezone.now() + timedelta(seconds=max(seconds, least))
    Outage.objects.filter(pk=outage.pk).update(until=until, failures=failures)
    for rows in _waiting(channel):
        rows.filter(_at(place)).filter(
            lease_until=None, next_try_at__lt=until, error_code__in=["", LEFT_ALONE]
        ).update(next_try_at=until, error_code=LEFT_ALONE, error_detail=DETAIL)


def _end(channel: str, place: str) -> None:
    """The channel answered: let everything pass again at once, but for other targets that are out."""
    outages = Outage.objects.filter(channel=channel)
    if not outages.exists():
        return
    now = timezone.now()
    long_ago = now - timedelta(days=FORGET_DAYS)
    outages.filter(Q(target__in=[place, ALL]) | Q(until__lt=long_ago)).delete()
    outages.update(alone=True)
    let_pass = Q(error_code=LEFT_ALONE)
    for still_out in outages.values_list("target", flat=True):
        let_pass &= ~_at(still_out)
    for rows in _waiting(channel):
        rows.filter(let_pass).update(next_try_at=now, error_code="", error_detail="")


def _at(place: str) -> Q:
    """Return what says of a row that its target is there; each is at ALL."""
    return Q() if place == ALL else Q(target=place) | Q(target__startswith=f"{place}/")


def _waiting(channel: str) -> "list[QuerySet[Any]]":
    """Return what is to be sent over a channel, by `target`."""
    pending = Outgoing.Stage.PENDING
    deliveries = Delivery.objects.filter(stage=pending, channel=channel)
    digests = Digest.objects.alias(target=F("recipient")).filter(stage=pending, channel=channel)
    return [deliveries, digests]
