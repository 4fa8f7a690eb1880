"""The secrets by which webhooks are signed, and targets that are gone."""

from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from alerts.channels.webhook import new_secret
from alerts.models import Subscription


def give_secret(subscription: Subscription) -> None:
    """Give a new webhook its secret; other subscriptions and a second call change nothing. The caller saves."""
    if subscription.channel == Subscription.Channel.WEBHOOK and not subscription.secret:
        subscription.secret = new_secret()


def rotate(subscription: Subscription) -> str:
    """Give a webhook a new secret and return it; for a day messages are signed with the one before as well."""
    secret = new_secret()
    Subscription.objects.filter(pk=subscription.pk).update(
        previous_secret=F("secret"), secret=secret, secret_changed_at=timezone.now()
    )
    return secret


def end_gone(*, channel: str, target: str) -> None:
    """End the subscriptions of a target that says it is no more."""
    Subscription.objects.filter(channel=channel, target=target, is_active=True).update(
        is_active=False, ended_because=_("The target answered that it is gone (410).")
    )
