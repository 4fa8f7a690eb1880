"""What a mail says, and what it can never be made to say."""

import re
import uuid
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import Settings

from alerts.channels import Notice, letters
from alerts.models import Alert, WatchList
from recognition import people
from tests import make
from tests.databases import IS_SQLITE

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


class Reader(HTMLParser):
    """Collects the tags, links and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "href":
                self.links.append(value or "")
            if name in {"src", "srcset", "background", "data"}:
                self.loads.append(value or "")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def alert_of(
    name: str = "Ada Example", *, watchlist: WatchList | None = None, **photo: Any
) -> Alert:
    return make.alert(
        watchlist=watchlist or make.watchlist(f"List {uuid.uuid4().hex[:6]}"),
        person=make.person(name),
        face=make.face(photo=make.photo(**photo)),
    )


def composed(*alerts: Alert, mode: str = "") -> EmailMessage:
    """The mail as its reader's program parses it."""
    notice = Notice(
        id=uuid.UUID(int=7), target="ops@example.org", alerts=alerts, mode=mode, until=NOON
    )
    content = letters.compose(notice).message().as_bytes()
    return message_from_bytes(content, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


def test_both_parts_tell_whom_where_when_and_how_alike() -> None:
    alert = alert_of(watchlist=make.watchlist("Lobby"), source="gate 3", captured_at=NOON)
    mail = composed(alert)
    for words in (part(mail, "plain"), Reader(part(mail, "html")).text):
        flat = " ".join(words.split())
        assert "Possible sighting of Ada Example on watch-list Lobby" in flat
        assert "10 Mar 2026, 12:00:00 UTC" in flat
        assert "gate 3" in flat
        assert "0.400" in flat
        assert " match" not in flat.lower()


def test_both_parts_link_the_photo_and_the_alert(settings: Settings) -> None:
    settings.BASE_URL = "https://faces.example.org"
    alert = alert_of()
    mail = composed(alert)
    links = [
        f"https://faces.example.org/alerts/{alert.pk}/",
        f"https://faces.example.org/photos/{alert.photo_id}/",
        str(mail["List-Unsubscribe"]).strip("<> "),
    ]
    assert Reader(part(mail, "html")).links == links
    assert all(link in part(mail, "plain") for link in links)
    assert mail["Message-ID"] == f"<{uuid.UUID(int=7)}@faces.example.org>"


def test_it_says_that_a_program_wrote_it() -> None:
    mail = composed(alert_of())
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime is not None


def test_it_can_be_unsubscribed_from_with_one_click(settings: Settings) -> None:
    settings.BASE_URL = "https://faces.example.org"
    mail = composed(alert_of())
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    address = str(mail["List-Unsubscribe"]).strip("<> ")
    assert address.startswith("https://faces.example.org/unsubscribe/delivery.")


def test_a_face_comes_along_where_the_settings_say_so(settings: Settings) -> None:
    settings.MAIL_PICTURES = True
    alert, gone = alert_of(), alert_of("Bob Example")
    default_storage.save(alert.face.chip_name, ContentFile(b"a picture"))
    mail = composed(alert, gone, mode="hourly")
    (picture,) = [one for one in mail.walk() if one.get_content_type() == "image/png"]
    assert picture.get_payload(decode=True) == b"a picture"
    source = f"cid:{str(picture['Content-ID']).strip('<>')}"
    # That of which no file is there is not shown as a broken one.
    assert Reader(part(mail, "html")).loads == [source]


def test_the_headline_of_a_digest_is_its_subject() -> None:
    mail = composed(alert_of(), alert_of("Bob Example"), mode="hourly")
    assert re.findall(r"<h1[^>]*>([^<]*)</h1>", part(mail, "html")) == [mail["Subject"]]


def test_nothing_is_loaded_from_anywhere() -> None:
    reader = Reader(part(composed(alert_of(), mode="hourly"), "html"))
    assert reader.loads == []
    assert not {"img", "link", "script", "iframe"} & set(reader.tags)


def test_styles_stand_where_they_apply_and_dark_mode_keeps_its_sheet() -> None:
    page = part(composed(alert_of()), "html")
    assert '<div class="card" style="' in page
    assert "@media (prefers-color-scheme: dark)" in page


def test_a_name_with_html_is_shown_and_not_run() -> None:
    reader = Reader(part(composed(alert_of("<script>alert('hi')</script> & Söhne")), "html"))
    assert "script" not in reader.tags
    assert "<script>alert('hi')</script> & Söhne" in reader.text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\x85", "\x0b", "\x00"])
def test_a_name_with_a_line_break_starts_no_header_and_no_line(end: str) -> None:
    if not (IS_SQLITE or end.strip("\x00")):
        pytest.skip("PostgreSQL stores no zero byte")
    name = f"Ada{end}Bcc: eve@example.org"
    watchlist = make.watchlist(f"Lobby{end}X-List: yes")
    mail = composed(alert_of(name, watchlist=watchlist, source=f"gate{end}Alert  http://evil"))
    assert mail["Bcc"] is None
    assert mail["X-List"] is None
    assert mail["Subject"] == "Possible sighting of Ada Bcc: eve@example.org on Lobby X-List: yes"
    lines = part(mail, "plain").splitlines()
    assert not any(line.lstrip().startswith(("Bcc:", "Alert  http://evil")) for line in lines)


def test_a_digest_is_grouped_by_list() -> None:
    gate, lobby = make.watchlist("Gate"), make.watchlist("Lobby")
    alerts = [alert_of(name, watchlist=w) for w in (gate, lobby) for name in ("Ada", "Bo")]
    text = part(composed(*alerts, mode="daily"), "plain")
    assert text.count("Watch-list Gate") == text.count("Watch-list Lobby") == 1
    assert text.index("Watch-list Gate") < text.index(str(alerts[1].pk))
    assert text.index(str(alerts[1].pk)) < text.index("Watch-list Lobby")
    assert "Your daily digest, until 10 March 2026, 12:00 UTC" in text


def test_the_subject_of_a_digest_counts_alerts_and_names_people_once() -> None:
    lobby = make.watchlist("Lobby")
    alerts = [alert_of(name, watchlist=lobby) for name in ("Ada", "Bo", "Ada")]
    subject = composed(*alerts, mode="hourly")["Subject"]
    assert subject == "3 possible sightings of Ada and Bo on Lobby"


def test_a_subject_stays_short_whoever_was_seen() -> None:
    alerts = [alert_of(f"{number} {'x' * 190}") for number in range(9)]
    subject = composed(*alerts, mode="hourly")["Subject"]
    assert subject.endswith("and 6 more")
    assert len(subject) < 250


def test_a_merged_person_goes_by_the_name_that_stands() -> None:
    alert = alert_of("Ada")
    people.merge(make.whom(alert), into=make.person("Augusta"))
    alert.refresh_from_db()
    assert "Possible sighting of Augusta" in composed(alert)["Subject"]


def test_a_long_digest_lists_so_many_and_says_where_the_others_are() -> None:
    lobby = make.watchlist("Lobby")
    alert = alert_of(watchlist=lobby)
    text = part(composed(*[alert] * (letters.MOST_LISTED + 3), mode="daily"), "plain")
    assert text.count("  Alert     ") == letters.MOST_LISTED
    assert "3 more are listed at http://localhost:8000/alerts/" in text
