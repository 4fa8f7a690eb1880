"""After a backup was restored: what waited to be told then may have been told since, by the installation it is of."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from alerts import digests, fanout, sending
from alerts.models import Alert, Delivery, Digest, Outgoing, Subscription
from alerts.ways import REPEATABLE

Stage = Outgoing.Stage
#: Code of a row that waited when the backup was made.
RESTORED = "restored"
DETAIL = "It waited when the backup was made; the server that it is of may have sent it since."
#: Quiet hours are over within a day.
DAY = timedelta(days=1)


def doubt_what_waited(*, since: datetime) -> int:
    """Make `unknown` what may have been told after `since`, the moment of the backup; return how many rows.

    Staff sees and may send it again. What goes to receivers that know a repetition, and all with
    FACEWATCH_MAIL_GUARANTEE=at_least_once, stays to be sent; so does what is not yet due. What was `sending` then ends
    as usual, when its lease has run out.
    """
    if sending.is_sent_again():
        return 0
    now = timezone.now()
    # What is due by now was, or would have been, opened there.
    digests.open_due_digests(now)
    doubted = 0
    for model in (Delivery, Digest):
        waiting = model._default_manager.filter(stage=Stage.PENDING)
        doubted += _doubt(waiting.exclude(Q(("channel__in", REPEATABLE))), now=now)
    held = Delivery.objects.filter(stage=Stage.BATCHED, digest=None).select_related("subscription")
    ended = [row.pk for row in held if _was_due(row.subscription, since=since, now=now)]
    doubted += _doubt(Delivery.objects.filter(pk__in=ended), now=now)
    digests.bring_along()
    _suppose_told()
    return doubted


def _was_due(subscription: Subscription, *, since: datetime, now: datetime) -> bool:
    """Return whether what is held in quiet hours may have been told before these began."""
    if subscription.mode == Subscription.Mode.DAILY or not fanout.is_quiet(subscription, now=now):
        return False
    return now - since >= DAY or not fanout.is_quiet(subscription, now=since)


def _suppose_told() -> None:
    """Note that these deliveries told the alert as it was: a verdict that says the opposite is told as well."""
    doubted = Q(error_code=RESTORED) | Q(digest__error_code=RESTORED)
    alert = Alert.objects.filter(pk=OuterRef("alert"))
    Delivery.objects.filter(doubted, stage=Stage.UNKNOWN, told_status="").update(
        told_status=Subquery(alert.values("status")), told_count=Subquery(alert.values("count"))
    )


def _doubt(rows: Any, *, now: datetime) -> int:
    return int(
        rows.update(
            stage=Stage.UNKNOWN,
            error_code=RESTORED,
            error_detail=DETAIL,
            lease_token=None,
            lease_until=None,
            finished_at=now,
        )
    )
