"""When what waits for a subscription is told: the windows of its digests, in the recipient's own time."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts import fanout
from alerts.models import Subscription

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
#: A midnight UTC, from which whole windows are counted.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Window:
    """What came from `start` on and before `end`, both UTC, is told together."""

    start: datetime
    end: datetime


def window_of(
    subscription: Subscription, *, now: datetime, historic: bool = False
) -> Window | None:
    """Return the last window that is closed at `now`; None while its recipient wants no message.

    Of an hourly digest that is the last whole hour, of a daily one the day that ended at the recipient's hour: of 23 or
    25 hours when the clocks were changed, and that hour is in no quiet hours, because they chose it. Who is told at
    once gets what looking back found by the hour, and what was held in quiet hours in the minute after their end.
    """
    if subscription.mode == Subscription.Mode.DAILY:
        return _day(subscription, now=now)
    if fanout.is_quiet(subscription, now=now):
        return None
    hourly = historic or subscription.mode == Subscription.Mode.HOURLY
    return last_window(now, length=HOUR if hourly else MINUTE)


def last_window(now: datetime, *, length: timedelta) -> Window:
    """Return the last whole window of a length, counted from midnight UTC, that is closed at `now` (aware)."""
    end = (now - (now - EPOCH) % length).astimezone(UTC)
    return Window(start=end - length, end=end)


def _day(subscription: Subscription, *, now: datetime) -> Window:
    """Return the day up to the recipient's hour. One that the clocks skip is the moment in which they do."""
    zone = ZoneInfo(subscription.time_zone)
    today = now.astimezone(zone).date()
    ends = [
        datetime.combine(today + timedelta(days=days), subscription.daily_at, zone).astimezone(UTC)
        for days in (-2, -1, 0)
    ]
    if ends[2] > now:
        ends = ends[:2]
    return Window(start=ends[-2], end=ends[-1])
