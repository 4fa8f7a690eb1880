"""Why an alert was raised, in words, from what was stored with it."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alerts.models import Alert

#: Seconds of a day, an hour and a minute.
UNITS = (86_400, 3600, 60)


def explain(alert: Alert) -> str:
    """Return one line such as "0.43 ≤ 0.50; second best 0.61; list Lobby"."""
    parts = [_of_unknown(alert) if alert.person_id is None else _of_distance(alert)]
    if alert.person_id is not None and alert.distance is not None and alert.margin is not None:
        second = f"{alert.distance + alert.margin:.2f}"
        parts.append(_("second best %(distance)s") % {"distance": second})
    if alert.is_ambiguous:
        parts.append(
            _("looks as much like %(name)s") % {"name": alert.rival.name}
            if alert.rival
            else _("somebody else is nearly as alike")
        )
    if alert.count > 1:
        seen = ngettext("seen %(count)d time", "seen %(count)d times", alert.count)
        parts.append(seen % {"count": alert.count})
    parts.append(_("list %(name)s") % {"name": alert.watchlist.name})
    return "; ".join(parts)


def _of_distance(alert: Alert) -> str:
    return f"{alert.distance:.2f} ≤ {alert.threshold:.2f}"


def _of_unknown(alert: Alert) -> str:
    if alert.times is None:
        return _("an unknown face")
    facts = {"times": alert.times, "within": _length(alert.within_seconds or 0)}
    return _("an unknown face, seen %(times)d times within %(within)s") % facts


def _length(seconds: int) -> str:
    """Return a length of time in its largest whole unit."""
    days, hours, minutes = (seconds // unit for unit in UNITS)
    if seconds == days * UNITS[0]:
        return ngettext("%d day", "%d days", days) % days
    if seconds == hours * UNITS[1]:
        return ngettext("%d hour", "%d hours", hours) % hours
    if seconds == minutes * UNITS[2]:
        return ngettext("%d minute", "%d minutes", minutes) % minutes
    return ngettext("%d second", "%d seconds", seconds) % seconds
