"""Telling one recipient of the alerts of one window, in a single message.

A delivery of a digest stays `batched` until the digest comes to its end, which is then the delivery's as well.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from alerts import deliveries, schedules, sending
from alerts.channels import Notice, Standing
from alerts.models import Delivery, Digest, Outgoing, Subscription
from alerts.schedules import Window
from ledger import crashpoints, leases
from ledger.downtime import downtimes
from ledger.leases import Lease
from recognition.models import Photo

Stage = Outgoing.Stage

#: Stages in which a digest has come to its end.
ENDED = (Stage.SENT, Stage.FAILED, Stage.UNKNOWN, Stage.DROPPED)


def open_due_digests(now: datetime) -> list[Digest]:
    """Open a digest for each recipient who has deliveries from before the end of their last window; return them.

    After a downtime one digest catches up. What comes late for a window whose digest was opened already goes into the
    next one; so does what waits for a window that a clock ran ahead into. Who wants to know that nothing was seen gets
    a daily digest of nothing. A second call for the same window opens nothing.
    """
    owed: dict[_Letter, list[uuid.UUID]] = {letter: [] for letter in _of_nothing(now)}
    for letter, delivery in _waiting(now):
        owed.setdefault(letter, []).append(delivery)
    return [digest for letter, waiting in owed.items() if (digest := _open(letter, waiting))]


def send_digest(digest_id: uuid.UUID | str) -> None:
    """Send one `pending` digest; one in which nothing is wanted any more is `dropped`. A second call does nothing."""
    lease = leases.claim(Digest, digest_id, stage=Stage.PENDING)
    if lease is None:
        return
    with leases.held(lease):
        _tell(lease)


def bring_along(digests: Iterable[uuid.UUID] | None = None) -> int:
    """Give the deliveries of these digests, or of all, the stage in which their digest ended; return how many."""
    # Unknown ones too: a sender that was only slow may have told meanwhile how it ended.
    held = Delivery.objects.filter(stage__in=[Stage.BATCHED, Stage.UNKNOWN], digest__isnull=False)
    if digests is not None:
        held = held.filter(digest__in=digests)
    now = timezone.now()
    return sum(
        held.filter(digest__stage=stage).exclude(stage=stage).update(stage=stage, finished_at=now)
        for stage in ENDED
    )


def send_again(digest: Digest) -> bool:
    """Put a digest that failed or may not have arrived back to be sent, with the deliveries that shared its fate.

    False if it is in another stage. The caller wakes the worker (`tasks.wake_digest`).
    """
    return bool(send_all_again(Digest.objects.filter(pk=digest.pk)))


def send_all_again(rows: "QuerySet[Digest]") -> int:
    """The same for many, in three statements for each end that they came to; return how many."""
    return sum(_send_again(rows, fate=fate) for fate in sending.SENT_AGAIN)


def _send_again(rows: "QuerySet[Digest]", *, fate: str) -> int:
    mark = uuid.uuid4()
    with transaction.atomic():
        # What has the mark is locked, and of that fate until the end, whatever comes to the same end meanwhile.
        rows.filter(stage=fate).update(lease_token=mark)
        marked = rows.filter(stage=fate, lease_token=mark)
        Delivery.objects.filter(digest__in=marked.values("pk"), stage=fate).update(
            stage=Stage.BATCHED, finished_at=None
        )
        return sending.send_all_again(marked)


def give_up_the_expired() -> int:
    """Make digests `unknown` whose sender went silent while it handed them over; return how many."""
    return sending.give_up_the_expired(Digest)


class _Letter(NamedTuple):
    """What makes one digest: all that is due for one target in one window."""

    channel: str
    recipient: str
    mode: str
    window: Window


def _waiting(now: datetime) -> Iterator[tuple[_Letter, uuid.UUID]]:
    """Yield the deliveries that wait for a digest, are due and still wanted, oldest first, each with its digest.

    One that was made in the future was made before the clock was set back, and may not wait until then.
    """
    ahead = now + timedelta(seconds=leases.CLOCK_SKEW)
    rows = Delivery.objects.filter(
        stage=Stage.BATCHED, digest=None, subscription__is_active=True
    ).select_related("subscription")
    for delivery, historic in (
        (row, row.is_historic)
        for row in rows.annotate(is_historic=F("alert__historic")).order_by("created_at")
    ):
        window = schedules.window_of(delivery.subscription, now=now, historic=historic)
        if window and (delivery.created_at < window.end or delivery.created_at > ahead):
            yield (
                _Letter(delivery.channel, delivery.target, delivery.subscription.mode, window),
                delivery.pk,
            )


def _of_nothing(now: datetime) -> Iterator[_Letter]:
    """Yield the daily digests that are due also if nothing was seen, to those who subscribed before they began."""
    daily = Subscription.objects.filter(
        is_active=True,
        tells_nothing_seen=True,
        mode=Subscription.Mode.DAILY,
        watchlist__is_active=True,
    )
    for subscription in daily.order_by("created_at"):
        window = schedules.window_of(subscription, now=now)
        if window and subscription.created_at <= window.start:
            yield _Letter(subscription.channel, subscription.target, subscription.mode, window)


def _open(letter: _Letter, waiting: list[uuid.UUID]) -> Digest | None:
    """Store the digest with its deliveries and return it; None if its window was opened already."""
    digest = Digest(
        stage=Stage.PENDING,
        channel=letter.channel,
        recipient=letter.recipient,
        mode=letter.mode,
        window_start=letter.window.start,
        window_end=letter.window.end,
    )
    named = {
        "channel": letter.channel,
        "recipient": letter.recipient,
        "mode": letter.mode,
        "window_start": letter.window.start,
    }
    # Asked first, because most minutes find the day's digest opened.
    if Digest.objects.filter(**named).exists():
        return None
    try:
        with transaction.atomic():
            digest.save(force_insert=True)
            crashpoints.reach("digest: stored")
            Delivery.objects.filter(pk__in=waiting, stage=Stage.BATCHED, digest=None).update(
                digest=digest
            )
    except IntegrityError:
        return None
    return digest


def _tell(lease: Lease[Digest]) -> None:
    digest = lease.row
    drop_unwanted(digest)
    told = list(
        Delivery.objects.filter(digest=digest, stage=Stage.BATCHED)
        .select_related(
            "subscription",
            "event",
            "alert__person__merged_into",
            "alert__watchlist",
            "alert__photo",
            "alert__face",
            "alert__best_face",
            "alert__rival",
        )
        .order_by("alert__watchlist__name", "alert__created_at", "alert_id")
    )
    if not told and not _wants_nothing_seen(digest):
        sending.drop(lease, why="None of its alerts was wanted any more when it was to be sent.")
        return
    notice = Notice(
        id=digest.pk,
        target=digest.recipient,
        alerts=[delivery.alert for delivery in told],
        deliveries=told,
        mode=digest.mode,
        since=digest.window_start,
        until=digest.window_end,
        standing=standing_in(digest),
        time_zone=_time_zone(digest),
    )

    sending.send(lease, notice, channel=digest.channel, along=partial(bring_along, [digest.pk]))


def standing_in(digest: Digest) -> Standing:
    """Return how many photos were looked at in a digest's window, and when the server stood still in it."""
    window = (digest.window_start, digest.window_end)
    looked_at = Photo.objects.filter(
        purpose=Photo.Purpose.UPLOAD, stage=Photo.Stage.DONE, finished_at__range=window
    )
    return Standing(
        photos=looked_at.count(), downtimes=downtimes(Photo, since=window[0], until=window[1])
    )


def _time_zone(digest: Digest) -> str:
    """Return the recipient's time zone, as they gave it last."""
    theirs = Subscription.objects.filter(
        channel=digest.channel, target=digest.recipient, mode=digest.mode
    )
    zone = theirs.order_by("-created_at").values_list("time_zone", flat=True).first()
    return zone or "UTC"


def _wants_nothing_seen(digest: Digest) -> bool:
    """Return whether its recipient wants to hear also that nothing was seen, and had subscribed before it began."""
    if digest.mode != Subscription.Mode.DAILY:
        return False
    return Subscription.objects.filter(
        is_active=True,
        tells_nothing_seen=True,
        mode=digest.mode,
        channel=digest.channel,
        target=digest.recipient,
        created_at__lte=digest.window_start,
    ).exists()


def drop_unwanted(digest: Digest) -> None:
    """Give up those deliveries of a digest of which nobody wants to hear any more."""
    now = timezone.now()
    waiting = digest.deliveries.filter(stage=Stage.BATCHED)
    unwanted = [
        delivery.pk
        for delivery in waiting.select_related("subscription", "alert")
        if deliveries.unwanted(delivery)
    ]
    waiting.filter(pk__in=unwanted).update(
        stage=Stage.DROPPED, error_code=sending.NOT_WANTED, finished_at=now
    )
