"""What an e-mail about alerts says: text and HTML of the same facts, from the templates in templates/email/."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from itertools import groupby
from urllib.parse import urlsplit

import css_inline
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from alerts.channels import Notice
from alerts.models import Alert

#: Most names that a subject spells out.
MOST_NAMES = 3
#: Longest name in a subject, in characters.
LONGEST_NAME = 60
#: Most alerts that one mail lists; it says how many more there are, and where.
MOST_LISTED = 100

# Styles are copied to where they apply, for programs that drop style sheets; the rules for dark mode stay a sheet.
_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One alert, in words for a reader; every text is a single line."""

    person: str
    watchlist: str
    source: str
    captured_at: datetime | None
    uploaded_at: datetime
    distance: str
    threshold: str
    status: str
    is_open: bool
    alert_url: str
    photo_url: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The alerts of one watch-list."""

    watchlist: str
    entries: list[Entry]


def compose(notice: Notice) -> EmailMultiAlternatives:
    """Return the mail that tells a notice, ready to send. The same notice has the same Message-ID each time."""
    groups = group(notice.alerts[:MOST_LISTED])
    names = list(dict.fromkeys(name_of(alert) for alert in notice.alerts))
    host = host_name()
    subject = write_subject(names, count=len(notice.alerts), lists=groups)
    facts = {
        "subject": subject,
        "groups": groups,
        "entry": groups[0].entries[0],
        "count": len(notice.alerts),
        "unlisted": max(0, len(notice.alerts) - MOST_LISTED),
        "mode": notice.mode,
        "until": notice.until,
        "alerts_url": f"{settings.BASE_URL}/alerts/",
    }
    mail = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string("email/alerts.txt", facts),
        to=[notice.target],
        headers={
            "Message-ID": message_id(notice.id),
            "Date": formatdate(),
            # No program should answer this one (RFC 3834).
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "List-Id": f"Facewatch alerts <alerts.{host}>",
        },
    )
    mail.attach_alternative(
        _inliner.inline(render_to_string("email/alerts.html", facts)), "text/html"
    )
    return mail


def message_id(notice_id: uuid.UUID) -> str:
    """Return the Message-ID under which a notice is sent, each time that it is."""
    return f"<{notice_id}@{host_name()}>"


def host_name() -> str:
    """Return the name of this server, as mails give it."""
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def write_subject(names: Sequence[str], *, count: int, lists: Sequence[Group]) -> str:
    """Return the subject: how many alerts, whom they are about, and the watch-list if there is one only."""
    shown = [shorten(name) for name in names[:MOST_NAMES]]
    hidden = len(names) - len(shown)
    if hidden:
        shown.append(f"{hidden} more")
    who = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
    what = "Possible sighting" if count == 1 else f"{count} possible sightings"
    where = f" on {shorten(lists[0].watchlist)}" if len(lists) == 1 else ""
    return f"{what} of {who}{where}"


def group(alerts: Sequence[Alert]) -> list[Group]:
    """Return the alerts by watch-list, in the order in which they come."""
    return [
        Group(watchlist=name, entries=list(entries))
        for name, entries in groupby(map(describe, alerts), key=lambda entry: entry.watchlist)
    ]


def describe(alert: Alert) -> Entry:
    """Return what the mail says of one alert, as it is now."""
    photo = alert.photo
    return Entry(
        person=name_of(alert),
        watchlist=one_line(alert.watchlist.name),
        source=one_line(photo.source),
        captured_at=photo.captured_at,
        uploaded_at=photo.created_at,
        distance=f"{alert.distance:.3f}",
        threshold=f"{alert.threshold:.3f}",
        status=str(Alert.Status(alert.status).label),
        is_open=alert.status == Alert.Status.OPEN,
        alert_url=f"{settings.BASE_URL}/alerts/{alert.pk}/",
        photo_url=f"{settings.BASE_URL}/photos/{photo.pk}/",
    )


def name_of(alert: Alert) -> str:
    """Return the name of the alert's person, or of the one for whom they stand since a merge."""
    person = alert.person.merged_into or alert.person
    return one_line(person.name)


def one_line(text: str) -> str:
    """Return the text without line breaks and control characters: it can start no header and fake no line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shorten(text: str) -> str:
    """Return the text, cut to what a subject has room for."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
