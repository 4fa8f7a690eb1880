"""What visits to the pages have in common: signing in, waiting, and asking whether everybody can use a page."""

from collections.abc import Callable
from pathlib import Path

from django.test import Client
from playwright.sync_api import Page

from demo import photos as demo_photos
from recognition.models import Person, Photo

AXE = Path(__file__).with_name("axe-core-4.14.1") / "axe.min.js"
PASSWORD = "open sesame 42"
#: Milliseconds that two stages may take on a busy machine.
PATIENCE = 60_000
#: Widths of a phone, a tablet and a desk, in pixels, each with the scheme in which it is looked at.
WIDTHS = (("light", 360), ("dark", 360), ("light", 768), ("light", 1440), ("dark", 1440))
RULES = "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}"


def sign_in(page: Page, *, password: str = PASSWORD) -> None:
    """Fill in and send the form on the page."""
    page.get_by_label("User name").fill("olga")
    page.get_by_label("Password").fill(password)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()


def shown(client: Client, path: str) -> list[Photo]:
    """The photos of a list, in their order."""
    return [view.photo for view in client.get(path).context["views"]]


def page_of(person: Person) -> str:
    """The address of the page of one person."""
    return f"/people/{person.pk}/"


def read(name: str) -> bytes:
    """The bytes of one of the demo's photos."""
    return demo_photos.path(name).read_bytes()


def count_loads(page: Page) -> Callable[[], int]:
    """Return a function that says how often the page was loaded since."""
    loads: list[str] = []
    page.on("load", lambda _: loads.append(page.url))
    return lambda: len(loads)


def complaints_of_axe(page: Page, url: str = "") -> list[str]:
    """Return what keeps somebody from using the page, light and dark and at every width; loaded anew if a URL is given.

    That is each violation of WCAG 2.2 AA that axe knows, and a page that is wider than its window.
    """
    found = []
    if url:
        page.goto(url)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for scheme, width in WIDTHS:
        # Without motion: a colour on its way to another is neither.
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        answer = page.evaluate(f"axe.run(document, {RULES})")
        found += [
            f"{scheme} {width}: {violation['id']}: {violation['nodes'][0]['html']}"
            for violation in answer["violations"]
        ]
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            found.append(f"{scheme} {width}: {wide} pixels wide")
    return found
