"""Sending at most once, unless asked for at least once: the way of a delivery or a digest from `pending` to its end.

Between the last byte of a message and the server's answer nobody can know whether it arrived (RFC 1047). So `sending`
is committed just before the message is handed over. What fails before, or is refused with an answer, was not told and
may be tried again; what ends without an answer, or whose sender dies, becomes `unknown`, and only staff sends it again.
With FACEWATCH_MAIL_GUARANTEE=at_least_once it is sent again by itself, with the same Message-ID.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.channels import Channel, Notice, Permanent, Temporary, Unreachable, Unsure
from alerts.channels.email import Email
from alerts.models import Delivery, Digest, Outgoing, Subscription
from ledger import crashpoints, leases
from ledger.leases import Lease

logger = logging.getLogger(__name__)

#: How each channel that one can subscribe to is spoken to.
CHANNELS: dict[str, Callable[[], Channel]] = {Subscription.Channel.EMAIL: Email}
#: Seconds for which a channel is left alone after it could not be reached: each try may take a worker the time-out.
LEFT_ALONE_SECONDS = 60
#: Code of a row whose sender died, or overran its time, while the message was handed over.
SENDER_DIED = "sender_died"
#: Code of a row that nobody wanted any more when its turn came.
NOT_WANTED = "not_wanted"

#: What FACEWATCH_MAIL_GUARANTEE may say.
AT_MOST_ONCE, AT_LEAST_ONCE = "at_most_once", "at_least_once"

Stage = Outgoing.Stage


def send(
    lease: Lease[Any], notice: Notice, *, channel: str, along: Callable[[], object] | None = None
) -> None:
    """Tell the notice and record how that ended; `along` is called in the transaction that records it.

    A row that was deleted or given to someone else before it was handed over is not sent. An error that nobody expected
    gives the row back if it comes before; after it, the row stays `sending` until its lease runs out.
    """
    way = CHANNELS[channel]()
    with leases.held(lease):
        try:
            _record(_tell(lease, notice, way=way), along=along)
            crashpoints.reach("message: recorded")
        finally:
            # After the outcome is stored: a server that is slow to say goodbye must not make it uncertain.
            way.close()


def drop(lease: Lease[Any], *, why: str) -> None:
    """Record that nobody wants this any more; nothing is sent."""
    try:
        leases.finish(lease, stage=Stage.DROPPED, error_code=NOT_WANTED, error_detail=why)
    except leases.LeaseLost as error:
        logger.info("%s", error)


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
    if is_sent_again():
        # The lease stays, run out: the sweep gives up what was tried too often.
        return silent.update(stage=Stage.PENDING, next_try_at=now, **fields)
    return silent.update(stage=Stage.UNKNOWN, lease_until=None, finished_at=now, **fields)


def is_sent_again() -> bool:
    """Return whether what may have been sent is sent again by itself, as FACEWATCH_MAIL_GUARANTEE says."""
    return bool(settings.MAIL_GUARANTEE == AT_LEAST_ONCE)


def send_again(row: Outgoing) -> bool:
    """Put a row whose end is `failed`, `unknown` or `dropped` back to `pending`; False if it is in another stage.

    Staff decides that: what is `unknown` may have arrived. The caller wakes the worker.
    """
    ended = (Stage.FAILED, Stage.UNKNOWN, Stage.DROPPED)
    return bool(
        type(row)
        ._default_manager.filter(pk=row.pk, stage__in=ended)
        .update(
            stage=Stage.PENDING,
            failed_stage="",
            attempts=0,
            next_try_at=timezone.now(),
            lease_token=None,
            lease_until=None,
            error_code="",
            error_detail="",
            finished_at=None,
        )
    )


def _tell(lease: Lease[Any], notice: Notice, *, way: Channel) -> Callable[[], None]:
    """Hand the notice over; return what records how that ended. Raises LeaseLost if it was not ours to tell."""
    try:
        way.open(notice)
        crashpoints.reach("message: opened")
        leases.move(lease, stage=Stage.SENDING)
        crashpoints.reach("message: sending")
        way.send()
        crashpoints.reach("message: handed over")
    except (Permanent, Temporary) as error:
        code, detail, permanent = error.code, error.detail, isinstance(error, Permanent)
        logger.warning("Notice %s was not sent: %s %s", notice.id, code, detail)
        if isinstance(error, Unreachable):
            _leave_alone()
        return lambda: leases.fail(lease, code=code, detail=detail, permanent=permanent)
    except Unsure as error:
        code, detail = error.code, error.detail
        logger.warning("Notice %s may have been sent: %s", notice.id, detail)
        if is_sent_again():
            return lambda: leases.fail(lease, code=code, detail=detail, permanent=False)
        fields = {"error_code": code, "error_detail": detail}
        return lambda: leases.finish(lease, stage=Stage.UNKNOWN, **fields)
    return lambda: leases.finish(lease, stage=Stage.SENT)


def _leave_alone() -> None:
    """Put off what waits to be sent; the row that failed asks again by its own back-off."""
    until = timezone.now() + timedelta(seconds=LEFT_ALONE_SECONDS)
    for model in (Delivery, Digest):
        model._default_manager.filter(
            stage=Stage.PENDING, lease_until=None, next_try_at__lt=until
        ).update(next_try_at=until)


def _record(outcome: Callable[[], None], *, along: Callable[[], object] | None) -> None:
    with transaction.atomic():
        outcome()
        if along:
            along()
