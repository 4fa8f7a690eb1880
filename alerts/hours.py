"""Days and hours of the day where somebody is: when a list is active, and when a recipient wants quiet."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


def check_zone(name: str) -> None:
    """Raise ValidationError unless this is a time zone of the IANA database, such as Europe/Berlin."""
    if name not in available_timezones():
        text = _("There is no time zone %(name)s. Give one like Europe/Berlin, or UTC.")
        raise ValidationError(text % {"name": name})


#: Days of a week.
WEEK = 7


def check_days(days: object) -> None:
    """Raise ValidationError unless this is a list of days of the week, 1 for Monday to 7 for Sunday."""
    if not isinstance(days, list) or any(
        type(day) is not int or not 1 <= day <= WEEK for day in days
    ):
        raise ValidationError(_("Give a list of days, 1 for Monday to 7 for Sunday."))


def begins(moment: datetime, *, start: time | None, end: time | None, zone: str) -> datetime | None:
    """Return when the hours began in which a moment lies, in their zone; None if it lies outside.

    The hours include their start and not their end. An end before the start is on the next day; without either they
    are the whole day.
    """
    local = moment.astimezone(ZoneInfo(zone))
    today = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if start is None or end is None or start == end:
        return today
    now = local.time()
    if start < end:
        return today if start <= now < end else None
    if now >= start:
        return today
    return today - timedelta(days=1) if now < end else None
