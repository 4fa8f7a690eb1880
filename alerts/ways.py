"""The channels that this server has, and how each is to be treated when it fails."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.conf import settings

from alerts.channels import Channel, letters, webhook
from alerts.channels.apprise import WAITS as APPRISE_WAITS
from alerts.channels.apprise import AppriseChannel
from alerts.channels.email import Email
from alerts.channels.sink import Sink
from alerts.channels.webhook import WAITS, Webhook, origin
from alerts.models import Delivery, Digest, Subscription


@dataclass(frozen=True, kw_only=True)
class Way:
    """A channel: `begin` gives one for one notice.

    `waits` are the seconds before the second attempt, the third and so on, after which it is given up; none for the
    ledger's own back-off. A receiver that `knows_repeats` may be told again what may have arrived. Where each target
    `stands_alone`, that one does not answer says nothing of others but those at the same `place`.
    """

    begin: Callable[[], Channel]
    waits: Sequence[float] = ()
    knows_repeats: bool = False
    stands_alone: bool = False
    place: Callable[[str], str] = str


WAYS: dict[str, Way] = {
    Subscription.Channel.EMAIL: Way(begin=Email),
    Subscription.Channel.WEBHOOK: Way(
        begin=Webhook, waits=WAITS, knows_repeats=True, stands_alone=True, place=origin
    ),
    Subscription.Channel.APPRISE: Way(begin=AppriseChannel, waits=APPRISE_WAITS, stands_alone=True),
    Subscription.Channel.SINK: Way(begin=Sink, knows_repeats=True, stands_alone=True),
}
#: Those whose receivers know a repetition.
REPEATABLE = [channel for channel, way in WAYS.items() if way.knows_repeats]


def message_id(row: Delivery | Digest) -> str | None:
    """Return what the receiver knows a message by; None while it is open to which digest a delivery will belong."""
    if row.notice_id is None:
        return None
    write = (
        webhook.message_id if row.channel == Subscription.Channel.WEBHOOK else letters.message_id
    )
    return write(row.notice_id)


def offered() -> list[str]:
    """Return the channels that one may subscribe to here."""
    channels: list[str] = [Subscription.Channel.EMAIL, Subscription.Channel.WEBHOOK]
    if settings.APPRISE_SCHEMES:
        channels.append(Subscription.Channel.APPRISE)
    return channels
