"""The secrets by which webhooks are signed, and targets that are gone."""

from datetime import datetime

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from alerts.channels.webhook import new_secret
from alerts.models import Delivery, Subscription


def give_secret(subscription: Subscription) -> bool:
    """Give a new webhook its secret, and return whether it got one; the caller saves, and tells it this once."""
    if subscription.channel != Subscription.Channel.WEBHOOK or subscription.secret:
        return False
    subscription.secret = new_secret()
    return True


def rotate(subscription: Subscription) -> str:
    """Give a webhook a new secret and return it; for a day messages are signed with the one before as well."""
    secret = new_secret()
    Subscription.objects.filter(pk=subscription.pk).update(
        previous_secret=F("secret"), secret=secret, secret_changed_at=timezone.now()
    )
    return secret


def end_gone(*, channel: str, target: str) -> None:
    """End the subscriptions of a target that says it is no more."""
    _end(channel, target, because=_("The target answered that it is gone (410)."))


def end_dead(*, channel: str, target: str, since: datetime) -> None:
    """End the subscriptions of a webhook that took nothing since then, when the last attempt at one message failed."""
    if channel != Subscription.Channel.WEBHOOK:
        return
    told = Delivery.objects.filter(channel=channel, target=target, stage=Delivery.Stage.SENT)
    if not told.filter(finished_at__gte=since).exists():
        _end(channel, target, because=_("The target took nothing for days."))


def _end(channel: str, target: str, *, because: str) -> None:
    Subscription.objects.filter(channel=channel, target=target, is_active=True).update(
        is_active=False, ended_because=because
    )
