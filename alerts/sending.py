"""Sending at most once, unless asked for at least once: the way of a delivery or a digest from `pending` to its end.

Between the last byte of a message and the server's answer nobody can know whether it arrived (RFC 1047). So `sending`
is committed just before the message is handed over. What fails before, or is refused with an answer, was not told and
may be tried again; what ends without an answer, or whose sender dies, becomes `unknown`, and only staff sends it again.
With FACEWATCH_MAIL_GUARANTEE=at_least_once it is sent again by itself, with the same Message-ID. So is what goes to
receivers that know a repetition by its id, such as webhooks, whatever the guarantee.
"""

import logging
import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from alerts import outages, webhooks
from alerts.channels import Busy, Channel, ChannelError, Notice, Permanent, Unsure, Withheld
from alerts.channels.guarded import Gone
from alerts.models import Alert, Delivery, Outgoing
from alerts.ways import REPEATABLE, WAYS
from ledger import crashpoints, leases
from ledger.leases import Lease

logger = logging.getLogger(__name__)

#: Code of a row whose sender died, or overran its time, while the message was handed over.
SENDER_DIED = "sender_died"
#: Code of a row that nobody wanted any more when its turn came.
NOT_WANTED = "not_wanted"

#: What FACEWATCH_MAIL_GUARANTEE may say.
AT_MOST_ONCE, AT_LEAST_ONCE = "at_most_once", "at_least_once"

Stage = Outgoing.Stage
#: Ends after which staff may have a row sent again.
SENT_AGAIN = (Stage.FAILED, Stage.UNKNOWN, Stage.DROPPED)


def send(
    lease: Lease[Any],
    notice: Notice,
    *,
    channel: str,
    along: Callable[[], object] | None = None,
) -> None:
    """Tell the notice and record how that ended.

    In the transaction that records it `along` is called. With the deliveries of the notice is stored what is told of
    their alerts before it is handed over, so that a verdict that comes then, or after an end that nobody knows, is
    corrected; one that comes before has the message written anew.
    While the channel is out, the row is put off instead. One that was deleted or given to someone else before it was
    handed over is not sent. Raises LeaseLost, and what nobody expected: call it within `leases.held`, which gives the
    row back if it was not handed over.
    """
    if not outages.may_pass(channel=channel, target=notice.target):
        leases.put_off(lease, code=outages.LEFT_ALONE, detail=outages.DETAIL)
        return
    way = WAYS[channel].begin()
    try:
        error = _tell(lease, notice, way=way)
        with transaction.atomic():
            _record(lease, error, channel=channel)
            if isinstance(error, Gone):
                webhooks.end_gone(channel=channel, target=notice.target)
            elif _is_spent(lease, channel=channel) and error:
                webhooks.end_dead(channel=channel, target=notice.target, since=lease.row.created_at)
            if error and not isinstance(error, Unsure):
                _take_back(notice)
            if along:
                along()
        crashpoints.reach("message: recorded")
        outages.learn(error, channel=channel, target=notice.target)
    finally:
        # After the outcome is stored: a server that is slow to say goodbye must not make it uncertain.
        way.close()


def drop(lease: Lease[Any], *, why: str) -> None:
    """Record that nobody wants this any more; nothing is sent. Raises LeaseLost."""
    leases.finish(lease, stage=Stage.DROPPED, error_code=NOT_WANTED, error_detail=why)


def give_up_the_expired(model: type[Outgoing]) -> int:
    """Make rows `unknown` whose sender went silent while it handed them over; return how many.

    Under `at_least_once` they are sent again instead. They keep their token, so that a sender that was only slow can
    still tell how it ended.
    """
    now = timezone.now()
    silent = model._default_manager.filter(leases.expired(now), stage=Stage.SENDING)
    fields: dict[str, Any] = {
        "error_code": SENDER_DIED,
        "error_detail": "The worker died or overran its time while it handed the message over.",
    }
    # The lease stays, run out: the sweep gives up what was tried too often.
    again = {"stage": Stage.PENDING, "next_try_at": now} | fields
    if is_sent_again():
        return silent.update(**again)
    # Both kinds of rows have a channel.
    of_programs: QuerySet[Any] = silent.filter(Q(("channel__in", REPEATABLE)))
    repeated = of_programs.update(**again)
    return repeated + silent.update(
        stage=Stage.UNKNOWN, lease_until=None, finished_at=now, **fields
    )


def is_sent_again() -> bool:
    """Return whether what may have been sent is sent again by itself, as FACEWATCH_MAIL_GUARANTEE says."""
    return bool(settings.MAIL_GUARANTEE == AT_LEAST_ONCE)


def send_again(row: Outgoing) -> bool:
    """Put a row whose end is `failed`, `unknown` or `dropped` back to `pending`; False if it is in another stage.

    Staff decides that: what is `unknown` may have arrived. The caller wakes the worker.
    """
    return bool(send_all_again(type(row)._default_manager.filter(pk=row.pk)))


def send_all_again(rows: "QuerySet[Any]", **fields: Any) -> int:
    """Put those of these rows that came to such an end back to `pending`, in one statement; return how many."""
    return rows.filter(stage__in=SENT_AGAIN).update(
        stage=Stage.PENDING,
        failed_stage="",
        attempts=0,
        next_try_at=timezone.now(),
        lease_token=None,
        lease_until=None,
        error_code="",
        error_detail="",
        finished_at=None,
        **fields,
    )


def _tell(lease: Lease[Any], notice: Notice, *, way: Channel) -> ChannelError | None:
    """Hand the notice over; return what went wrong. Raises LeaseLost if it was not ours to tell."""
    try:
        way.open(notice)
        crashpoints.reach("message: opened")
        with transaction.atomic():
            _note(notice)
            leases.move(lease, stage=Stage.SENDING)
        crashpoints.reach("message: sending")
        _hand_over(way)
        crashpoints.reach("message: handed over")
    except ChannelError as error:
        what = "may have been sent" if isinstance(error, Unsure) else "was not sent"
        logger.warning("Notice %s %s: %s %s", notice.id, what, error.code, error.detail)
        return error
    return None


def _note(notice: Notice) -> None:
    """Store with deliveries what is told of their alerts. Raises Withheld if that is no longer so."""
    told = {alert.pk: alert.status for alert in notice.alerts}
    # Locked: a verdict is either seen here, or sees what is told.
    rows = Alert.objects.select_for_update().filter(pk__in=told).order_by("pk")
    if any(told[pk] != status for pk, status in rows.values_list("pk", "status")):
        raise Withheld("An alert was reviewed while this was written.", code="reviewed_meanwhile")
    for delivery in notice.deliveries:
        Delivery.objects.filter(pk=delivery.pk).update(
            told_status=delivery.alert.status, told_count=delivery.alert.count
        )


def _take_back(notice: Notice) -> None:
    """Store with deliveries what was told before, if anything was: this time it is certain that nothing was."""
    for delivery in notice.deliveries:
        Delivery.objects.filter(pk=delivery.pk).update(
            told_status=delivery.told_status, told_count=delivery.told_count
        )


def _hand_over(way: Channel) -> None:
    try:
        way.send()
    except ChannelError:
        raise
    except Exception as error:
        logger.exception("A channel failed while it handed a notice over")
        detail = f"The server failed ({type(error).__name__}); its log says more."
        raise Unsure(detail, code="server_error") from error


def _record(lease: Lease[Any], error: ChannelError | None, *, channel: str) -> None:
    way = WAYS[channel]
    if error is None:
        leases.finish(lease, stage=Stage.SENT)
    elif isinstance(error, Unsure) and not (is_sent_again() or way.knows_repeats):
        leases.finish(lease, stage=Stage.UNKNOWN, error_code=error.code, error_detail=error.detail)
    else:
        spent = _is_spent(lease, channel=channel)
        leases.fail(
            lease,
            code=error.code,
            detail=error.detail,
            permanent=spent or isinstance(error, Permanent),
            wait=_wait(way.waits, attempts=lease.row.attempts, error=error),
        )


def _is_spent(lease: Lease[Any], *, channel: str) -> bool:
    """Return whether this was the last attempt that the channel makes."""
    waits = WAYS[channel].waits
    return bool(waits) and lease.row.attempts > len(waits)


def _wait(waits: Sequence[float], *, attempts: int, error: ChannelError) -> timedelta | None:
    """Return how long a channel wants to wait after so many attempts, a tenth more at random; None for the usual."""
    if not waits:
        return None
    asked = error.seconds if isinstance(error, Busy) else 0.0
    seconds = max(asked, waits[min(attempts, len(waits)) - 1])
    return timedelta(seconds=seconds * random.uniform(1, 1.1))  # noqa: S311 (no secret)
