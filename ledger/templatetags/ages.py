"""Ages in templates: how long something has lasted, short, and counted on by the page itself."""

import math
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def seconds_in_words(seconds: float) -> str:
    """Return a length of time in its largest unit: seconds, minutes, hours or days, rounded down."""
    whole = max(0, math.floor(seconds))
    if whole < 60:  # noqa: PLR2004 (as everywhere)
        return _("%(number)d s") % {"number": whole}
    if whole < 3600:  # noqa: PLR2004
        return _("%(number)d min") % {"number": whole // 60}
    if whole < 86400:  # noqa: PLR2004
        return _("%(number)d h") % {"number": whole // 3600}
    return _("%(number)d d") % {"number": whole // 86400}


@register.simple_tag
def age(since: datetime) -> SafeString:
    """Return how long it is since a moment; `queue.js` counts it on."""
    return format_html(
        '<time class="age" datetime="{}" title="{} UTC">{}</time>',
        since.isoformat(timespec="seconds"),
        since.strftime("%Y-%m-%d %H:%M:%S"),
        seconds_in_words((timezone.now() - since).total_seconds()),
    )
