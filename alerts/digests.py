"""Telling one recipient of the alerts of one window, in a single mail.

A delivery of a digest stays `batched` until the digest comes to its end, which is then the delivery's as well.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import partial

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from alerts import sending
from alerts.channels import Notice
from alerts.models import Delivery, Digest, Outgoing, Subscription
from ledger import crashpoints, leases
from ledger.leases import Lease

Stage = Outgoing.Stage

#: Lengths of the windows, which are counted from midnight UTC.
WINDOWS = {
    Subscription.Mode.HOURLY: timedelta(hours=1),
    Subscription.Mode.DAILY: timedelta(days=1),
}
#: A midnight UTC, from which whole windows are counted.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Stages in which a digest has come to its end.
ENDED = (Stage.SENT, Stage.FAILED, Stage.UNKNOWN, Stage.DROPPED)


def open_due_digests(now: datetime) -> list[Digest]:
    """Open a digest for each recipient who has alerts from before the last closed window's end; return them.

    After a downtime one digest catches up. What comes late for a window whose digest was opened already goes into the
    next one; so does what waits for a window that a clock ran ahead into. A second call for the same window opens
    nothing.
    """
    opened = []
    for mode, length in WINDOWS.items():
        end = window_end(now, length=length)
        waiting: dict[str, list[uuid.UUID]] = defaultdict(list)
        for target, pk in _waiting(mode, before=end, now=now):
            waiting[target].append(pk)
        for recipient, deliveries in waiting.items():
            digest = Digest(
                stage=Stage.PENDING,
                recipient=recipient,
                mode=mode,
                window_start=end - length,
                window_end=end,
            )
            if _open(digest, deliveries):
                opened.append(digest)
    return opened


def window_end(now: datetime, *, length: timedelta) -> datetime:
    """Return the end of the last window that is closed at `now` (aware, any time zone), in UTC."""
    return (now - (now - EPOCH) % length).astimezone(UTC)


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


def _waiting(mode: str, *, before: datetime, now: datetime) -> Iterable[tuple[str, uuid.UUID]]:
    """Return target and id of the deliveries that wait for a digest and are still wanted, oldest first.

    One that was made in the future was made before the clock was set back, and may not wait until then.
    """
    due = Q(created_at__lt=before) | Q(created_at__gt=now + timedelta(seconds=leases.CLOCK_SKEW))
    return (
        Delivery.objects.filter(
            due,
            stage=Stage.BATCHED,
            digest=None,
            mode=mode,
            channel=Subscription.Channel.EMAIL,
            subscription__is_active=True,
        )
        .order_by("created_at")
        .values_list("target", "pk")
    )


def _open(digest: Digest, deliveries: list[uuid.UUID]) -> bool:
    """Store the digest with its deliveries; False if its window was opened already."""
    try:
        with transaction.atomic():
            digest.save(force_insert=True)
            crashpoints.reach("digest: stored")
            Delivery.objects.filter(pk__in=deliveries, stage=Stage.BATCHED, digest=None).update(
                digest=digest
            )
    except IntegrityError:
        return False
    return True


def _tell(lease: Lease[Digest]) -> None:
    digest = lease.row
    _drop_the_unwanted(digest)
    deliveries = (
        Delivery.objects.filter(digest=digest, stage=Stage.BATCHED)
        .select_related("alert__person__merged_into", "alert__watchlist", "alert__photo")
        .order_by("alert__watchlist__name", "alert__created_at", "alert_id")
    )
    alerts = [delivery.alert for delivery in deliveries]
    if not alerts:
        sending.drop(lease, why="None of its alerts was wanted any more when it was to be sent.")
        return
    notice = Notice(
        id=digest.pk,
        target=digest.recipient,
        alerts=alerts,
        mode=digest.mode,
        until=digest.window_end,
    )
    along = partial(bring_along, [digest.pk])
    sending.send(lease, notice, channel=Subscription.Channel.EMAIL, along=along)


def _drop_the_unwanted(digest: Digest) -> None:
    digest.deliveries.filter(stage=Stage.BATCHED, subscription__is_active=False).update(
        stage=Stage.DROPPED, error_code=sending.NOT_WANTED, finished_at=timezone.now()
    )
