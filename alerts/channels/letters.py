"""What an e-mail about alerts says: text and HTML of the same facts, from the templates in templates/email/."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.mime.image import MIMEImage
from email.utils import formatdate
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import css_inline
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alerts import explaining, unsubscribing
from alerts.channels import Notice
from alerts.models import Alert, Event

#: Most names that a subject spells out.
MOST_NAMES = 3
#: Longest name in a subject, in characters.
LONGEST_NAME = 60
#: Most alerts that one mail lists; it says how many more there are, and where.
MOST_LISTED = 100
#: Most pictures that come along, where the settings say so.
MOST_PICTURES = 20

# Styles are copied to where they apply, for programs that drop style sheets; the rules for dark mode stay a sheet.
_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One alert, in words for a reader; every text is a single line."""

    title: str
    person: str
    watchlist: str
    source: str
    captured_at: datetime | None
    uploaded_at: datetime
    count: int
    first_seen_at: datetime
    last_seen_at: datetime
    explanation: str
    distance: str
    threshold: str
    status: str
    is_open: bool
    alert_url: str
    photo_url: str
    #: The Content-ID of the picture, if it comes along.
    picture: str = ""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The alerts of one watch-list."""

    watchlist: str
    entries: list[Entry]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a mail under a heading of its own; the first has none."""

    heading: str
    groups: list[Group] = field(default_factory=list)


def compose(notice: Notice) -> EmailMultiAlternatives:
    """Return the mail that tells a notice, ready to send. The same notice has the same Message-ID each time."""
    pictures = _pictures(notice) if settings.MAIL_PICTURES else {}
    with timezone.override(ZoneInfo(notice.time_zone)):
        facts = describe_notice(notice, pictures=pictures)
        text = render_to_string("email/alerts.txt", facts)
        html = render_to_string("email/alerts.html", facts)
    host = host_name()
    mail = EmailMultiAlternatives(
        subject=facts["subject"],
        body=text,
        to=[notice.target],
        headers={
            "Message-ID": message_id(notice.id),
            "Date": formatdate(),
            # No program should answer this one (RFC 3834).
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "List-Id": f"Facewatch alerts <alerts.{host}>",
            "List-Unsubscribe": f"<{facts['unsubscribe_url']}>",
            # One click, without a page in between (RFC 8058).
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )
    mail.attach_alternative(_inliner.inline(html), "text/html")
    if pictures:
        mail.mixed_subtype = "related"  # type: ignore[attr-defined]  # of Django's, and not in its stubs
    for name, content in pictures.items():
        picture = MIMEImage(content, "png")
        picture.add_header("Content-ID", f"<{name}>")
        picture.add_header("Content-Disposition", "inline", filename="face.png")
        mail.attach(picture)
    return mail


def _pictures(notice: Notice) -> dict[str, bytes]:
    """Return the faces that come along by their Content-ID: of the first alerts that are listed and have a file."""
    found: dict[str, bytes] = {}
    for _heading, chosen in _parts_of(notice):
        for alert, _kind in chosen:
            if len(found) == MOST_PICTURES:
                return found
            with suppress(OSError), default_storage.open(_chip_name(alert)) as file:
                found[_content_id(alert)] = file.read()
    return found


def _chip_name(alert: Alert) -> str:
    return (alert.best_face or alert.face).chip_name


def _content_id(alert: Alert) -> str:
    return f"{alert.pk}@{host_name()}"


def describe_notice(notice: Notice, *, pictures: Collection[str] = ()) -> dict[str, Any]:
    """Return the facts of a mail, as its templates take them; `pictures` are the Content-IDs of what comes along."""
    kinds = kinds_of(notice)
    sections = [
        Section(heading=heading, groups=group(chosen, pictures=pictures))
        for heading, chosen in _parts_of(notice)
    ]
    entries = [entry for section in sections for group in section.groups for entry in group.entries]
    lists = {entry.watchlist for entry in entries}
    token = unsubscribing.token(notice.id, is_digest=bool(notice.mode))
    return {
        "subject": write_subject(notice, kinds=kinds, lists=sorted(lists)),
        "sections": sections,
        "lists": sorted(lists),
        "entry": entries[0] if entries else None,
        "count": len(notice.alerts),
        "unlisted": max(0, len(notice.alerts) - MOST_LISTED),
        "mode": notice.mode,
        "since": notice.since,
        "until": notice.until,
        "standing": notice.standing,
        "alerts_url": f"{settings.BASE_URL}/alerts/",
        "queue_url": f"{settings.BASE_URL}/queue/",
        "unsubscribe_url": f"{settings.BASE_URL}/unsubscribe/{token}/",
    }


def kinds_of(notice: Notice) -> list[str]:
    """Return what is told of each alert of a notice."""
    if not notice.deliveries:
        return [Event.Kind.RAISED] * len(notice.alerts)
    return [delivery.kind for delivery in notice.deliveries]


def _parts_of(notice: Notice) -> list[tuple[str, list[tuple[Alert, str]]]]:
    """Return what is told, by heading: corrections first, then what is new, what went on, what looking back found."""
    listed = list(zip(notice.alerts, kinds_of(notice), strict=True))[:MOST_LISTED]
    raised = Event.Kind.RAISED
    parts = (
        (_("Corrections"), lambda _alert, kind: kind == Event.Kind.REVIEWED),
        ("", lambda alert, kind: kind in (raised, Event.Kind.ESCALATED) and not alert.historic),
        (_("Gone on since you were told"), lambda _alert, kind: kind == Event.Kind.ENDED),
        (_("Found in older photos"), lambda alert, kind: kind == raised and alert.historic),
    )
    found = [
        (heading, [(alert, kind) for alert, kind in listed if belongs(alert, kind)])
        for heading, belongs in parts
    ]
    return [(heading, chosen) for heading, chosen in found if chosen]


def message_id(notice_id: uuid.UUID) -> str:
    """Return the Message-ID under which a notice is sent, each time that it is."""
    return f"<{notice_id}@{host_name()}>"


def host_name() -> str:
    """Return the name of this server, as mails give it."""
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def write_subject(notice: Notice, *, kinds: Sequence[str], lists: Sequence[str]) -> str:
    """Return the subject: what is told, whom it is about, and the watch-list if there is one only."""
    if not notice.alerts:
        if notice.standing and notice.standing.downtimes:
            return _("Nothing seen, and the server stood still for a while")
        return _("Nothing seen")
    names = list(dict.fromkeys(name_of(alert) for alert in notice.alerts))
    shown = [shorten(name) for name in names[:MOST_NAMES]]
    hidden = len(names) - len(shown)
    if hidden:
        shown.append(_("%d more") % hidden)
    head, last = shown[:-1], shown[-1]
    who = _("%(first)s and %(last)s") % {"first": ", ".join(head), "last": last} if head else last
    facts = {"who": who, "count": len(kinds), "list": shorten(lists[0])}
    if set(kinds) == {Event.Kind.REVIEWED}:
        what = ngettext(
            "Correction: possible sighting of %(who)s",
            "%(count)d corrections: %(who)s",
            len(kinds),
        )
    elif set(kinds) == {Event.Kind.ENDED}:
        what = ngettext(
            "Update: possible sighting of %(who)s", "%(count)d updates: %(who)s", len(kinds)
        )
    elif kinds[0] == Event.Kind.ESCALATED:
        what = _("Not reviewed yet: possible sighting of %(who)s")
    else:
        what = ngettext(
            "Possible sighting of %(who)s", "%(count)d possible sightings of %(who)s", len(kinds)
        )
    where = _(" on %(list)s") if len(lists) == 1 else ""
    return (what + where) % facts


def group(listed: Iterable[tuple[Alert, str]], *, pictures: Collection[str] = ()) -> list[Group]:
    """Return the alerts by watch-list, in the order in which they come."""
    entries = [describe(alert, kind=kind, pictures=pictures) for alert, kind in listed]
    return [
        Group(watchlist=name, entries=list(found))
        for name, found in groupby(entries, key=lambda entry: entry.watchlist)
    ]


def describe(
    alert: Alert, *, kind: str = Event.Kind.RAISED, pictures: Collection[str] = ()
) -> Entry:
    """Return what the mail says of one alert, as it is now."""
    photo = alert.photo
    return Entry(
        title=title_of(alert, kind=kind),
        person=name_of(alert),
        watchlist=one_line(alert.watchlist.name),
        source=one_line(photo.source),
        captured_at=photo.captured_at,
        uploaded_at=photo.created_at,
        count=alert.count,
        first_seen_at=alert.first_seen_at,
        last_seen_at=alert.last_seen_at,
        explanation=one_line(explaining.explain(alert)),
        distance="" if alert.distance is None else f"{alert.distance:.3f}",
        threshold=f"{alert.threshold:.3f}",
        status=str(Alert.Status(alert.status).label),
        is_open=alert.status == Alert.Status.OPEN,
        alert_url=f"{settings.BASE_URL}/alerts/{alert.pk}/",
        photo_url=f"{settings.BASE_URL}/photos/{photo.pk}/",
        picture=_content_id(alert) if _content_id(alert) in pictures else "",
    )


def title_of(alert: Alert, *, kind: str) -> str:
    """Return the line over an alert: what is told of it."""
    name = {"name": name_of(alert)}
    if kind == Event.Kind.REVIEWED:
        if alert.status == Alert.Status.DISMISSED:
            return _("It was not %(name)s: the alert was dismissed") % name
        return _("It may be %(name)s after all: the dismissal was taken back") % name
    if kind == Event.Kind.ESCALATED:
        return _("Nobody has reviewed it: possible sighting of %(name)s") % name
    return _("Possible sighting of %(name)s") % name


def name_of(alert: Alert) -> str:
    """Return the name of the alert's person, or of the one for whom they stand since a merge."""
    return one_line(alert.whom)


def one_line(text: str) -> str:
    """Return the text without line breaks and control characters: it can start no header and fake no line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def shorten(text: str) -> str:
    """Return the text, cut to what a subject has room for."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
