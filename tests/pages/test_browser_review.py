"""The review in Chromium: photos that were sent become alerts that are looked at, answered, and taken back."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.installation import Installation
from tests.pages.visiting import PATIENCE, complaints_of_axe, count_loads, read, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]

#: Who is watched by which photos, and the newer photos of them that raise alerts.
KNOWN = {
    "Barack Obama": ("obama-2009.jpg", "obama-2012.jpg"),
    "Emmanuel Macron": ("macron-2014.jpg",),
}
SEEN = {"Barack Obama": "obama-2010.jpg", "Emmanuel Macron": "macron-2025.jpg"}


@pytest.fixture(scope="module")
def watched(installation: Installation, token: str) -> Iterator[str]:
    """The id of a watch-list of two people; other tests know neither."""
    people = []
    for name, photos in KNOWN.items():
        person = installation.post("/api/v1/people/", token=token, name=name).json()["id"]
        for photo in photos:
            # Other bytes than other tests send, the same picture.
            enrolment = installation.upload(
                f"/api/v1/people/{person}/photos/", read(photo) + b"\2", token=token
            )
            installation.finished(enrolment.json(), token=token)
        people.append(person)
    found = installation.post(
        "/api/v1/watchlists/",
        token=token,
        name="Review",
        people=people,
        cooldown_seconds=0,
        ambiguity_margin=0,
    )
    yield str(found.json()["id"])
    for path in (f"watchlists/{found.json()['id']}", *(f"people/{person}" for person in people)):
        assert installation.request("DELETE", f"/api/v1/{path}/", token=token).status == 204


Raise = Callable[[], list[str]]


@pytest.fixture
def raise_alerts(
    installation: Installation, token: str, watched: str, page: Page
) -> Iterator[Raise]:
    """A function that sends the newer photos, and returns the alerts that they raise, the oldest first.

    No other alert is open meanwhile, and none of these afterwards; the page has left them by then.
    """
    photos: list[str] = []

    def close() -> None:
        for alert in alerts("status=open"):
            decide(installation, token, alert["id"], "unsure")

    def alerts(query: str) -> list[dict[str, Any]]:
        answer = installation.get(f"/api/v1/alerts/?{query}", token=token)
        return list(answer.json()["results"])

    def send() -> list[str]:
        for photo in SEEN.values():
            sent = installation.upload(
                "/api/v1/photos/", read(photo) + b"\2", token=token, source="gate 2"
            ).json()
            photos.append(sent["id"])
            installation.finished(sent, token=token)
        raised: list[str] = []
        deadline = time.monotonic() + PATIENCE / 1000
        # A photo is done a moment before its alert is there.
        while len(raised) < len(SEEN) and time.monotonic() < deadline:
            found = alerts(f"watchlist={watched}&status=open")
            raised = [alert["id"] for alert in reversed(found)]
        return raised

    close()
    yield send
    # It would ask for the pictures of photos that are gone.
    page.goto("about:blank")
    close()
    for photo in photos:
        installation.request("DELETE", f"/api/v1/photos/{photo}/", token=token)


def decide(installation: Installation, token: str, alert: str, status: str) -> None:
    """Answer to an alert as another reviewer does, whatever was answered before."""
    answer = installation.request(
        "PATCH",
        f"/api/v1/alerts/{alert}/",
        token=token,
        body=f'{{"status": "{status}"}}'.encode(),
        headers={"Content-Type": "application/json", "If-Match": "*"},
    )
    assert answer.status == 200, answer.body


def verdict(installation: Installation, token: str, alert: str) -> tuple[str, str]:
    now = installation.get(f"/api/v1/alerts/{alert}/", token=token).json()
    return now["status"], now["reason"]


def card(page: Page) -> Locator:
    """The alert that is looked at."""
    return page.locator(".review:visible")


def views(page: Page) -> set[str | None]:
    """Which part of the faces is drawn."""
    return {face.get_attribute("viewBox") for face in card(page).locator(".level").all()}


def test_a_photo_that_is_sent_becomes_an_alert_that_is_confirmed_by_mouse(
    signed_in: Page,
    installation: Installation,
    token: str,
    raise_alerts: Raise,
    tmp_path: Path,
) -> None:
    page = signed_in
    photo = tmp_path / "gate.jpg"
    photo.write_bytes(read(SEEN["Barack Obama"]) + b"\3")
    page.get_by_role("link", name="Alerts", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing waits for you")
    other = page.context.new_page()
    other.goto(f"{installation.url}/upload/")
    other.locator("#files").set_input_files(photo)
    # It comes by itself.
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Possible sighting of Barack Obama", timeout=PATIENCE)
    other.close()
    alert = card(page).get_attribute("data-alert") or ""
    for picture in card(page).locator(".scene img").all():
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    # Nothing measured is told before the answer.
    panel = card(page).locator(".panel")
    expect(panel).to_contain_text("is shown after the answer")
    expect(panel).not_to_contain_text("Distance")
    # Zoomed by a click, all faces at once.
    assert len(views(page)) == 1
    before = views(page)
    card(page).locator(".two .level").first.click(position={"x": 20, "y": 20})
    expect(card(page).locator(".factor")).to_have_text("2×")
    assert len(views(page)) == 1
    assert views(page) != before
    card(page).get_by_text("Add a note").click()
    card(page).get_by_label("Note (optional)").fill("The same scar")
    page.get_by_role("button", name="Same").click()
    expect(panel).to_contain_text("You say: the same person")
    expect(panel).to_contain_text(re.compile(r"0\.\d\d of at most 0\.\d\d"))
    expect(panel.get_by_role("button", name="Undo")).to_be_visible()
    assert verdict(installation, token, alert) == ("confirmed", "The same scar")
    panel.get_by_role("button", name="Next").click()
    expect(heading).to_have_text("Nothing waits for you")
    sent = installation.get(f"/api/v1/alerts/{alert}/", token=token).json()["photo"]["id"]
    installation.request("DELETE", f"/api/v1/photos/{sent}/", token=token)


def test_two_alerts_are_reviewed_by_keys_alone(
    signed_in: Page, installation: Installation, token: str, raise_alerts: Raise
) -> None:
    page, (first, second) = signed_in, raise_alerts()
    page.goto(f"{installation.url}/alerts/")
    heading = card(page).get_by_role("heading", level=1)
    expect(heading).to_have_text("Possible sighting of Barack Obama")
    expect(page.locator(f'[data-alert="{second}"]')).to_have_count(1)
    loads = count_loads(page)
    keys = page.keyboard
    keys.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Same person")
    keys.press("c")
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    keys.press("z")
    expect(card(page).locator(".factor")).to_have_text("2×")
    keys.press("j")
    expect(heading).to_have_text("Possible sighting of Emmanuel Macron")
    expect(heading).to_be_focused()
    expect(page).to_have_url(f"{installation.url}/alerts/{second}/")
    expect(page.locator("#said")).to_contain_text("2 of 2 open")
    keys.press("k")
    expect(heading).to_have_text("Possible sighting of Barack Obama")
    keys.press("d")
    keys.press("5")
    keys.type("j c u: a twin")
    keys.press("Enter")
    panel = card(page).locator(".panel")
    expect(panel).to_contain_text("You say: a different person")
    assert verdict(installation, token, first) == ("dismissed", "j c u: a twin")
    keys.press("Control+z")
    expect(panel).to_contain_text("Is it the same person?")
    assert verdict(installation, token, first) == ("open", "")
    keys.press("d")
    keys.press("1")
    expect(panel.locator(".reason")).to_have_text("Not this person")
    expect(panel.get_by_role("button", name="Next")).to_be_focused()
    # The way on has the focus; the undo goes along.
    keys.press("Enter")
    expect(heading).to_have_text("Possible sighting of Emmanuel Macron")
    expect(page.locator(".undo-bar")).to_contain_text("Barack Obama: dismissed.")
    keys.press("c")
    expect(panel).to_contain_text("You say: the same person")
    assert verdict(installation, token, first) == ("dismissed", "not_this_person")
    assert verdict(installation, token, second) == ("confirmed", "")
    assert loads() == 0
    page.go_back()
    expect(heading).to_have_text("Possible sighting of Barack Obama")
    page.reload()
    expect(heading).to_have_text("Possible sighting of Barack Obama")


def test_single_keys_can_be_turned_off(
    signed_in: Page, installation: Installation, raise_alerts: Raise
) -> None:
    page = signed_in
    raise_alerts()
    page.goto(f"{installation.url}/alerts/")
    switch = card(page).get_by_role("switch", name="Single keys")
    expect(switch).to_be_checked()
    switch.uncheck()
    page.reload()
    expect(switch).not_to_be_checked()
    heading = card(page).get_by_role("heading", level=1)
    for key in ("j", "c", "z", "?"):
        page.keyboard.press(key)
    expect(heading).to_have_text("Possible sighting of Barack Obama")
    expect(card(page).locator(".factor")).to_have_text("1×")
    expect(card(page).locator(".panel")).to_contain_text("Is it the same person?")
    card(page).get_by_role("link", name="Next").focus()
    page.keyboard.press("Enter")
    expect(heading).to_have_text("Possible sighting of Emmanuel Macron")


def test_of_two_reviewers_the_second_is_told_and_overwrites_nothing(
    browser: Browser,
    signed_in: Page,
    installation: Installation,
    token: str,
    raise_alerts: Raise,
    complaints: list[str],
) -> None:
    mine, (first, second) = signed_in, raise_alerts()
    mine.goto(f"{installation.url}/alerts/{first}/")
    panel = card(mine).locator(".panel")
    with browser.new_context() as context:
        theirs = context.new_page()
        theirs.goto(f"{installation.url}/login/?next=/alerts/{second}/")
        sign_in(theirs)
        # It is told while it is looked at, and what was typed stays.
        card(mine).get_by_text("Add a note").click()
        card(mine).get_by_label("Note (optional)").fill("Not sure yet")
        theirs.goto(f"{installation.url}/alerts/{first}/")
        card(theirs).get_by_role("button", name="Can't tell").click()
        expect(panel.get_by_role("alert")).to_have_text("Somebody else decided this one just now.")
        expect(panel).to_contain_text("can't tell")
        expect(card(mine).get_by_label("Note (optional)")).to_have_value("Not sure yet")
        # Without news the answer itself is refused.
        mine.route("**/changes/**", lambda route: route.abort())
        mine.goto(f"{installation.url}/alerts/{second}/")
        theirs.goto(f"{installation.url}/alerts/{second}/")
        card(theirs).get_by_role("button", name="Can't tell").click()
        expect(card(theirs).locator(".panel")).to_contain_text("You say")
    mine.keyboard.press("c")
    expect(panel.get_by_role("alert")).to_contain_text("somebody else decided first")
    assert verdict(installation, token, second) == ("unsure", "")
    # Chromium logs the news that were kept away, and the refusal.
    assert [text for text in complaints if "ERR_FAILED" not in text and "412" not in text] == []
    complaints.clear()


def test_everybody_can_use_it(
    signed_in: Page, installation: Installation, token: str, raise_alerts: Raise
) -> None:
    page, (first, _) = signed_in, raise_alerts()
    address = f"{installation.url}/alerts/{first}/"
    page.goto(address)
    page.keyboard.press("d")
    assert complaints_of_axe(page) == []
    decide(installation, token, first, "confirmed")
    page.goto(address)
    card(page).get_by_text("Change the verdict").click()
    assert complaints_of_axe(page) == []
    assert complaints_of_axe(page, f"{installation.url}/alerts/all/") == []


def test_a_chip_is_drawn_level_as_large_as_it_is(
    signed_in: Page, installation: Installation, raise_alerts: Raise
) -> None:
    page = signed_in
    raise_alerts()
    page.goto(f"{installation.url}/alerts/")
    for face in card(page).locator(".two .level image").all():
        drawn = face.evaluate(
            """async (image) => {
                const picture = new Image();
                picture.src = image.href.baseVal;
                await picture.decode();
                return [image.getBBox().width, image.getBBox().height, picture.width, picture.height];
            }"""
        )
        assert drawn[:2] == drawn[2:]
