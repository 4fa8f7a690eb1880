"""A channel that does not answer is left alone: what waits for it keeps no worker from photos.

Each try may cost a worker the time-out. So while a channel is out, one notice a minute finds out whether it answers
again, and all others wait. A target for which alone it does not answer is out by itself, and holds up nobody else.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alerts.channels import ChannelError, HungUp, Undeliverable, Unreachable, Unsure
from alerts.models import Delivery, Digest, Outage, Outgoing
from alerts.ways import WAYS
from ledger import leases

#: Seconds for which what is out is left alone, and within which one notice may try it.
LEFT_ALONE_SECONDS = 60
#: Days after which a target that nobody tried any more is forgotten.
FORGET_DAYS = 1
#: Code of a row that waits because its channel or its target is out, and what is told of it.
LEFT_ALONE = "left_alone"
DETAIL = "Its server did not answer lately. It is tried again every minute."
#: Stands for all targets.
ALL = ""


def may_pass(*, channel: str, target: str) -> bool:
    """Return whether a notice may be sent now: while its channel or target is out, to the one that finds out."""
    outages = Outage.objects.filter(channel=channel, target__in=[target, ALL]).order_by("-target")
    return all(_may_try(outage) for outage in outages)


def learn(error: ChannelError | None, *, channel: str, target: str) -> None:
    """Draw the conclusions from how a notice ended: with None it was sent."""
    if isinstance(error, Undeliverable):
        return
    if isinstance(error, Unreachable):
        _begin(channel, ALL)
    elif isinstance(error, (HungUp, Unsure)):
        _begin(channel, target)
        if WAYS[channel].stands_alone:
            return
        others = Outage.objects.filter(channel=channel, alone=False).exclude(target=target)
        if others.exists():
            _begin(channel, ALL)
    else:
        _end(channel, target)


def _may_try(outage: Outage) -> bool:
    """Return True to the first who asks when it is time for a try, also after a clock was set back."""
    now = timezone.now()
    latest = now + timedelta(seconds=LEFT_ALONE_SECONDS + leases.CLOCK_SKEW)
    over = Q(until__lte=now) | Q(until__gt=latest)
    return bool(Outage.objects.filter(over, pk=outage.pk).update(until=_a_while_from(now)))


def _begin(channel: str, target: str) -> None:
    """Put off what waits for the target; the row that failed asks again by its own back-off."""
    until = _a_while_from(timezone.now())
    Outage.objects.update_or_create(channel=channel, target=target, defaults={"until": until})
    for rows in _waiting(channel):
        mine = rows.filter(target=target) if target else rows
        mine.filter(
            lease_until=None, next_try_at__lt=until, error_code__in=["", LEFT_ALONE]
        ).update(next_try_at=until, error_code=LEFT_ALONE, error_detail=DETAIL)


def _end(channel: str, target: str) -> None:
    """The channel answered: let everything pass again at once, but for other targets that are out."""
    outages = Outage.objects.filter(channel=channel)
    if not outages.exists():
        return
    now = timezone.now()
    long_ago = now - timedelta(days=FORGET_DAYS)
    outages.filter(Q(target__in=[target, ALL]) | Q(until__lt=long_ago)).delete()
    outages.update(alone=True)
    still_out = list(outages.values_list("target", flat=True))
    for rows in _waiting(channel):
        rows.filter(error_code=LEFT_ALONE).exclude(target__in=still_out).update(
            next_try_at=now, error_code="", error_detail=""
        )


def _waiting(channel: str) -> "list[QuerySet[Any]]":
    """Return what is to be sent over a channel, by `target`."""
    pending = Outgoing.Stage.PENDING
    deliveries = Delivery.objects.filter(stage=pending, channel=channel)
    digests = Digest.objects.alias(target=F("recipient")).filter(stage=pending, channel=channel)
    return [deliveries, digests]


def _a_while_from(now: datetime) -> datetime:
    return now + timedelta(seconds=LEFT_ALONE_SECONDS)
