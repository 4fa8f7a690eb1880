"""The channels that this server has, and how each is to be treated when it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from alerts.channels import Channel
from alerts.channels.apprise import AppriseChannel
from alerts.channels.email import Email
from alerts.channels.sink import Sink
from alerts.channels.webhook import WAITS, Webhook
from alerts.models import Subscription


@dataclass(frozen=True, kw_only=True)
class Way:
    """A channel: `begin` gives one for one notice.

    `waits` are the seconds before the second attempt, the third and so on, after which it is given up; none for the
    ledger's own back-off. A receiver that `knows_repeats` may be told again what may have arrived. Where each target
    `stands_alone`, that one does not answer says nothing of the others.
    """

    begin: Callable[[], Channel]
    waits: Sequence[float] = ()
    knows_repeats: bool = False
    stands_alone: bool = False


WAYS: dict[str, Way] = {
    Subscription.Channel.EMAIL: Way(begin=Email),
    Subscription.Channel.WEBHOOK: Way(
        begin=Webhook, waits=WAITS, knows_repeats=True, stands_alone=True
    ),
    Subscription.Channel.APPRISE: Way(begin=AppriseChannel, stands_alone=True),
    Subscription.Channel.SINK: Way(begin=Sink, knows_repeats=True, stands_alone=True),
}
#: Those whose receivers know a repetition.
REPEATABLE = [channel for channel, way in WAYS.items() if way.knows_repeats]


def offered() -> list[str]:
    """Return the channels that one may subscribe to here."""
    channels: list[str] = [Subscription.Channel.EMAIL, Subscription.Channel.WEBHOOK]
    if settings.APPRISE_SCHEMES:
        channels.append(Subscription.Channel.APPRISE)
    return channels
