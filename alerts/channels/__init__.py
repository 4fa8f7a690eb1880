"""Ways to tell someone of alerts: one module a channel, all behind one protocol.

Each says of a failure whether another attempt can help, and whether it is known at all that nothing was told.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from alerts.models import Alert, Delivery
from ledger.downtime import Downtime


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How the server did in a digest's window: the photos that were looked at, and when it stood still."""

    photos: int
    downtimes: Sequence[Downtime]


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What one target is told: one alert, or those of a digest, with `person`, `watchlist` and `photo` loaded."""

    #: The id of the row that is the leave to tell it; the same notice sent again has the same.
    id: uuid.UUID
    target: str
    alerts: Sequence[Alert]
    #: What is told of each of the alerts, in the same order, with `event` and `subscription` loaded if it is one alone.
    deliveries: Sequence[Delivery] = ()
    #: The mode of a digest, such as "hourly", and its window; none for a single alert told at once.
    mode: str = ""
    since: datetime | None = None
    until: datetime | None = None
    #: How the server did meanwhile, if that is told.
    standing: "Standing | None" = None
    #: The recipient's, in which times are given.
    time_zone: str = "UTC"


class ChannelError(Exception):
    """Base of what a channel raises: a short code such as "smtp_550", and a text for staff."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


class Permanent(ChannelError):
    """It was refused for good: nobody was told, and another attempt would end the same."""


class Undeliverable(Permanent):
    """The target cannot be one; the channel was not asked."""


class Temporary(ChannelError):
    """Nobody was told, but a later attempt may succeed."""


class Unreachable(Temporary):
    """The channel itself does not work now, whatever the notice: others need not be tried for a while."""


class Withheld(Temporary):
    """It was not handed over, because what it says was no longer so; the channel was not asked."""


class Busy(Temporary):
    """The target asks to be left alone for some seconds; 0 if it does not say for how many."""

    def __init__(self, detail: str, *, code: str, seconds: float) -> None:
        super().__init__(detail, code=code)
        self.seconds = seconds


class HungUp(Temporary):
    """There was no answer before the notice was handed over: it may be the channel, or this target."""


class Unsure(ChannelError):
    """It was handed over and no answer came: nobody knows whether the target was told."""


class Channel(Protocol):
    """One notice on its way. Nothing can have been told before `send`."""

    def open(self, notice: Notice) -> None:
        """Build the message and connect: all that tells nobody yet. Raises Undeliverable, Unreachable."""

    def send(self) -> None:
        """Hand the notice over. Raises Permanent, Temporary (both: not told) or Unsure."""

    def close(self) -> None:
        """Give the connection back, whatever happened; raises nothing."""
