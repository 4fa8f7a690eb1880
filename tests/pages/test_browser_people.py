"""The pages of people in Chromium: somebody is added, known by photos and faces, merged and told apart again."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from demo import photos as demo_photos
from tests.installation import Installation
from tests.pages.visiting import PATIENCE, complaints_of_axe, count_loads, read

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]


def add(installation: Installation, token: str, name: str) -> dict[str, Any]:
    person: dict[str, Any] = installation.post("/api/v1/people/", token=token, name=name).json()
    return person


@pytest.fixture(scope="module")
def upload(installation: Installation, token: str) -> dict[str, Any]:
    """A recognised photo of one face, whom nobody knows."""
    photo = installation.upload("/api/v1/photos/", read("collins.png") + b"\0people", token=token)
    return installation.finished(photo.json(), token=token)


def test_somebody_is_added_and_known_by_dropped_photos_without_a_reload(
    signed_in: Page, installation: Installation, tmp_path: Path, complaints: list[str]
) -> None:
    page = signed_in
    page.get_by_role("link", name="People", exact=True).click()
    page.get_by_role("button", name="Add a person").click()
    page.get_by_label("Name").fill("Grace Hopper")
    page.get_by_label("Notes").fill("Rear admiral")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Grace Hopper")
    expect(page.get_by_text("Cannot be recognised yet")).to_be_visible()
    page.wait_for_load_state()
    loads = count_loads(page)
    text = tmp_path / "notes.jpg"
    text.write_text("Dear diary")
    files = [demo_photos.path("hopper.jpg"), demo_photos.path("coffee.png"), text]
    page.get_by_label("Add photos of Grace Hopper").set_input_files(files)
    sent = page.locator("#sending")
    expect(sent.get_by_role("alert")).to_contain_text(
        re.compile("JPEG, PNG or WebP", re.IGNORECASE)
    )
    faces = page.locator("#faces")
    expect(faces.get_by_text(re.compile("quality .*good"))).to_be_visible(timeout=PATIENCE)
    expect(faces.get_by_text("Refused: no face")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#portrait img")).not_to_have_js_property("naturalWidth", 0)
    expect(faces.locator(".known-faces img").first).not_to_have_js_property("naturalWidth", 0)
    expect(sent.get_by_role("listitem")).to_have_count(1)
    sent.get_by_role("button", name="Dismiss").click()
    expect(sent.get_by_role("listitem")).to_have_count(0)
    assert loads() == 0
    # Chromium logs each answer that is an error; the page handles this one.
    assert all("status of 400" in text for text in complaints)
    complaints.clear()


def test_a_face_of_a_photo_is_named_and_the_name_taken_back(
    signed_in: Page, installation: Installation, upload: dict[str, Any]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/{upload['id']}/")
    loads = count_loads(page)
    page.get_by_text("This is …").click()
    page.locator(".face-actions").get_by_role("searchbox").press_sequentially("Eileen Collins")
    page.get_by_role("button", name="Add “Eileen Collins” as a new person").click()
    told = page.locator(".face-actions").get_by_role("status")
    expect(told).to_contain_text("Eileen Collins is known by this face from now on.")
    expect(told).to_be_focused()
    assert loads() == 0
    page.get_by_role("link", name="Eileen Collins", exact=True).click()
    expect(page.get_by_text("from an upload")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Undo").click()
    expect(told).to_contain_text("Nobody is known by this face any more.")
    expect(page.get_by_text("This is …")).to_be_visible()


def test_two_people_become_one_and_two_again(
    signed_in: Page, installation: Installation, token: str
) -> None:
    page = signed_in
    stays, goes = (add(installation, token, name) for name in ("Ada Merging", "A. Merging"))
    page.goto(f"{installation.url}/people/{goes['id']}/")
    page.get_by_role("button", name="Merge with").click()
    expect(page.get_by_role("link", name="Ada Merging")).to_be_visible()
    page.get_by_label("Name of the other").press_sequentially("ada me")
    page.get_by_role("link", name="Ada Merging").click()
    page.get_by_label("Ada Merging").check()
    page.get_by_role("button", name="Merge").click()
    expect(page).to_have_url(re.compile(f"/people/{stays['id']}/"))
    told = page.get_by_role("status").filter(has_text="A. Merging and Ada Merging are one person")
    told.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("are two people again")).to_be_visible()
    page.goto(f"{installation.url}/people/?search=merging")
    expect(page.locator(".people > li")).to_have_count(2)


def test_the_keyboard_alone_finds_names_and_edits(
    signed_in: Page, installation: Installation, token: str, upload: dict[str, Any]
) -> None:
    page = signed_in
    person = add(installation, token, "Kay Board")
    page.goto(f"{installation.url}/people/")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("kay b")
    expect(page.locator(".people > li")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"search=kay"))
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.locator("#found")).to_have_text("1 person")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{installation.url}/people/{person['id']}/")
    page.get_by_role("button", name="Name and notes").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name").focus()
    page.keyboard.press("End")
    page.keyboard.type("s")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Kay Boards")
    page.goto(f"{installation.url}/photos/{upload['id']}/")
    page.locator(".this-is > summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("kay")
    choice = page.get_by_role("button", name="Kay Boards")
    expect(choice).to_be_visible()
    page.keyboard.press("Tab")
    expect(choice).to_be_focused()
    # Nobody types as fast as htmx settles: before, a button sends its form as without scripts.
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator(".face-actions").get_by_role("status")).to_be_focused()
    # It gives the focus once more then.
    expect(page.locator(".htmx-added, .htmx-settling")).to_have_count(0)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody is known by this face any more.")).to_be_visible()


def test_everybody_can_use_the_pages(
    signed_in: Page, installation: Installation, token: str
) -> None:
    page = signed_in
    person, other = (add(installation, token, name) for name in ("Axel Example", "A. Example"))
    url = f"/api/v1/people/{person['id']}/photos/"
    for name in ("sunak.jpg", "coffee.png"):
        photo = installation.upload(url, read(name) + b"\0axe", token=token)
        installation.finished(photo.json(), token=token)
    photo = installation.upload("/api/v1/photos/", read("sunak.jpg") + b"\0seen", token=token)
    seen = installation.finished(photo.json(), token=token)
    assert seen["faces"][0]["candidates"]
    own = f"/people/{person['id']}/"
    compare = f"{own}merge/?with={other['id']}"
    face = f"/people/faces/{seen['faces'][0]['id']}/?name=ex"
    for path in ("/people/", own, compare, face):
        assert complaints_of_axe(page, installation.url + path) == [], path
    page.goto(f"{installation.url}/photos/{seen['id']}/")
    page.get_by_text("This is …").click()
    assert complaints_of_axe(page) == []
