"""Every string of the pages can be translated: in a language that marks what it translates, nothing is unmarked."""

import gettext
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from django.utils.translation import trans_real

from tests import make

#: Attributes whose value is read or heard.
SPOKEN = ("alt", "aria-label", "aria-description", "placeholder", "title")
#: Attributes of data that are no sentences.
UNSPOKEN = ("data-live", "data-version")
#: A reason that a worker stored with a photo, in the language of the installation.
REASON = "The picture is damaged."
#: What is the same in every language.
NAMES = (
    REASON,
    "Facewatch",
    "Ada Example",
    "Lobby",
    "otto",
    "gate 2",
    "UTC",
    "JPEG",
    "PNG",
    "WebP",
    "MB",
)


class Marking(gettext.NullTranslations):
    """A language in which everything is said in ⟦brackets⟧."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧" if message else ""

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)

    def to_language(self) -> str:
        return "en"


class Sayings(HTMLParser):
    """Collects what a page says: its texts, and the attributes that are read or heard."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style", "code", "kbd", "time")
        self.found += [
            value
            for name, value in attributes
            if value
            and (
                name in SPOKEN
                or (name.startswith("data-") and name not in UNSPOKEN and " " in value)
            )
        ]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style", "code", "kbd", "time")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.found.append(data)


def unmarked(html: str) -> list[str]:
    """Return the sayings of a page that hold words outside brackets."""
    sayings = Sayings()
    sayings.feed(html)
    left = []
    for saying in sayings.found:
        rest = saying
        while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", rest)) != rest:
            rest = shorter
        for name in NAMES:
            rest = rest.replace(name, "")
        if re.search(r"[^\W\d_]", rest):
            left.append(saying.strip())
    return left


@pytest.fixture
def marking() -> Iterator[None]:
    """That language, for every page of the test."""
    translation.activate("en")
    trans_real._active.value = Marking()  # type: ignore[attr-defined]  # where Django keeps the language of a thread
    yield
    translation.deactivate()


@pytest.fixture
def addresses(db: None, operator: Any) -> list[str]:
    """The addresses of pages with something of each kind on them."""
    person = make.person("Ada Example")
    make.known_face(person)
    face = make.face(photo=make.photo(owner=operator, source="gate 2"))
    make.sighting(person=person, face=face)
    waiting = make.photo(owner=operator, stage="uploaded")
    failed = make.photo(
        owner=operator,
        stage="failed",
        source="gate 2",
        failed_stage="uploaded",
        error_code="unreadable_image",
        error_detail=REASON,
    )
    watchlist = make.watchlist("Lobby", people=(person,))
    alert = make.alert(watchlist=watchlist, person=person, face=face)
    return [
        *("/", "/upload/", "/photos/", "/photos/?stage=failed&source=gate+2&faces=with"),
        *(f"/photos/{photo.pk}/" for photo in (face.photo, waiting, failed)),
        *("/alerts/", "/alerts/all/", "/alerts/rejections/", f"/alerts/{alert.pk}/"),
        "/queue/",
        *("/people/", "/people/add/", f"/people/{person.pk}/", f"/people/{person.pk}/merge/"),
    ]


def test_a_word_that_is_not_translated_is_found() -> None:
    assert unmarked("<p>⟦Good⟧ 3 <b>bad</b></p>") == ["bad"]
    assert unmarked('<img alt="bad"><img alt="⟦good ⟦in good⟧⟧">') == ["bad"]
    assert unmarked('<p data-text="bad thing" data-live="photo:1"></p>') == ["bad thing"]


def test_every_string_of_the_pages_is_translated(
    client: Client, addresses: list[str], marking: None
) -> None:
    left = {address: unmarked(client.get(address).content.decode()) for address in addresses}
    client.logout()
    for address in ("/login/", "/no/such/page/"):
        left[address] = unmarked(client.get(address).content.decode())
    assert {address: words for address, words in left.items() if words} == {}
