"""The pages in Chromium, on an installation that runs: nothing of it is imitated."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from demo import photos as demo_photos
from tests.installation import Installation
from tests.pages.visiting import (
    PASSWORD,
    PATIENCE,
    complaints_of_axe,
    count_loads,
    read,
    sign_in,
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture(scope="module")
def alert(installation: Installation, token: str) -> dict[str, Any]:
    """An open alert for Jacinda Ardern, known by an older photo."""
    person = installation.post("/api/v1/people/", token=token, name="Jacinda Ardern").json()
    enrolment = installation.upload(
        f"/api/v1/people/{person['id']}/photos/", read("ardern-2018.jpg"), token=token
    )
    installation.finished(enrolment.json(), token=token)
    installation.post("/api/v1/watchlists/", token=token, name="Gate", people=[person["id"]])
    # Other bytes than the test of the upload sends, the same picture.
    photo = installation.upload(
        "/api/v1/photos/", read("ardern-2022.jpg") + b"\0", token=token, source="gate 2"
    )
    installation.finished(photo.json(), token=token)
    found: dict[str, Any] = installation.get(
        f"/api/v1/alerts/?person={person['id']}", token=token
    ).json()["results"][0]
    return found


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Choose photos, or drop them here").set_input_files(files)


def test_signing_in_takes_the_right_password_and_signing_out_ends_it(
    page: Page, installation: Installation, token: str
) -> None:
    page.goto(f"{installation.url}/photos/")
    sign_in(page, password="open barley")
    expect(page.get_by_role("alert")).to_contain_text("enter a correct username and password")
    sign_in(page, password=PASSWORD)
    expect(page).to_have_url(f"{installation.url}/photos/")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{installation.url}/login/")
    page.goto(f"{installation.url}/photos/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_chosen_photos_turn_to_names_without_a_reload_and_are_there_on_return(
    signed_in: Page, installation: Installation, alert: dict[str, Any]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    loads = count_loads(page)
    tiles = page.locator("#uploads > .tile")
    before = tiles.count()
    names = ("ardern-2022.jpg", "hopper.jpg", "obama-2010.jpg", "biden-2010.jpg", "macron-2025.jpg")
    choose(page, *map(demo_photos.path, names))
    known = tiles.filter(has_text="possible Jacinda Ardern, 0.").first
    stranger = tiles.filter(has_text="1 face, nobody known").first
    for tile in (known, stranger):
        expect(tile).to_be_visible(timeout=PATIENCE)
        expect(tile.locator("img")).to_have_js_property("complete", value=True)
    done = page.locator("#uploads > .tile.done")
    expect(done).to_have_count(before + len(names), timeout=PATIENCE)
    expect(tiles).to_have_count(before + len(names))
    assert loads() == 0
    page.get_by_role("link", name="Photos", exact=True).click()
    page.get_by_role("link", name="Upload", exact=True).click()
    expect(known).to_be_visible()
    expect(stranger).to_be_visible()


def test_a_photo_left_in_work_is_live_again_on_return(
    signed_in: Page, installation: Installation
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    with page.expect_response("**/api/v1/photos/") as answer:
        choose(page, demo_photos.path("sunak.jpg"))
    photo = answer.value.json()
    # Gone the moment that it is stored.
    page.goto(f"{installation.url}/photos/")
    page.goto(f"{installation.url}/upload/")
    tile = page.locator(f"#photo-{photo['id']}")
    expect(tile).to_contain_text("1 face, nobody known", timeout=PATIENCE)


def test_photos_are_dropped_as_well(signed_in: Page, installation: Installation) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    dropped = page.evaluate_handle(
        """async (bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
            return transfer;
        }""",
        list(read("coffee.png")),
    )
    page.dispatch_event("#upload", "drop", {"dataTransfer": dropped})
    tile = page.locator("#uploads > .tile").first
    expect(tile).to_contain_text("no face", timeout=PATIENCE)


def test_a_refused_file_says_why_and_the_next_one_is_stored(
    signed_in: Page, installation: Installation, tmp_path: Path, complaints: list[str]
) -> None:
    page = signed_in
    text = tmp_path / "notes.jpg"
    text.write_text("Dear diary")
    page.goto(f"{installation.url}/upload/")
    choose(page, text)
    tile = page.locator("#uploads > .tile").filter(has_text="notes.jpg")
    expect(tile.get_by_role("alert")).to_contain_text(
        re.compile("JPEG, PNG or WebP", re.IGNORECASE)
    )
    expect(tile.get_by_role("button")).to_be_hidden()
    # Chromium logs each answer that is an error; the page handles this one.
    assert len(complaints) == 1
    assert "status of 400" in complaints.pop()


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    signed_in: Page, installation: Installation, tmp_path: Path
) -> None:
    page = signed_in
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(32_000_001)
    page.goto(f"{installation.url}/upload/")
    choose(page, huge)
    tile = page.locator("#uploads > .tile").filter(has_text="huge.jpg")
    expect(tile.get_by_role("alert")).to_have_text(
        "The file is larger than 32 MB. Send a smaller one."
    )


def test_an_upload_without_a_server_can_be_tried_again(
    signed_in: Page, installation: Installation, complaints: list[str]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    page.context.set_offline(True)
    choose(page, demo_photos.path("macron-2014.jpg"))
    tile = page.locator("#uploads > .tile").filter(has_text="macron-2014.jpg")
    expect(tile.get_by_role("alert")).to_have_text("The connection broke. Nothing was stored.")
    page.context.set_offline(False)
    tile.get_by_role("button", name="Try again").click()
    expect(tile).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("#uploads > .tile.done").first).to_be_visible(timeout=PATIENCE)
    # Chromium logs whatever it cannot fetch while it is offline.
    assert all("ERR_INTERNET_DISCONNECTED" in text for text in complaints)
    complaints.clear()


def test_without_scripts_the_form_stores_the_photo(
    page: Page, installation: Installation, token: str
) -> None:
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"{installation.url}/login/?next=/upload/")
        sign_in(plain, password=PASSWORD)
        choose(plain, demo_photos.path("collins.png"))
        plain.get_by_role("button", name="Upload").click()
        expect(plain.get_by_role("status").first).to_have_text("collins.png is stored.")


def test_a_photo_shows_a_box_on_each_face(
    signed_in: Page, installation: Installation, token: str, alert: dict[str, Any]
) -> None:
    page = signed_in
    photo = installation.get(f"/api/v1/photos/{alert['photo']['id']}/", token=token).json()
    page.goto(f"{installation.url}/photos/{photo['id']}/")
    boxes = page.locator(".boxes rect")
    expect(boxes).to_have_count(len(photo["faces"]))
    picture = page.locator(".picture img")
    expect(picture).to_have_js_property("naturalWidth", photo["width"])
    for width in (320, 800, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        shown, drawn = picture.bounding_box(), boxes.first.bounding_box()
        assert shown
        assert drawn
        scale = shown["width"] / photo["width"]
        box = photo["faces"][0]["box"]
        assert drawn["x"] - shown["x"] == pytest.approx(box["x"] * scale, abs=3)
        assert drawn["y"] - shown["y"] == pytest.approx(box["y"] * scale, abs=3)
        assert drawn["width"] == pytest.approx(box["width"] * scale, abs=6)
        assert drawn["height"] == pytest.approx(box["height"] * scale, abs=6)
    expect(page.get_by_text("possible Jacinda Ardern")).to_be_visible()


def test_a_photo_in_work_becomes_done_on_its_own_page(
    signed_in: Page, installation: Installation, token: str
) -> None:
    page = signed_in
    photo = installation.upload(
        "/api/v1/photos/", read("biden-2010.jpg") + b"\0", token=token
    ).json()
    page.goto(f"{installation.url}/photos/{photo['id']}/")
    loads = count_loads(page)
    expect(page.locator(".facts")).to_contain_text("done", timeout=PATIENCE)
    expect(page.locator(".boxes rect")).to_have_count(1)
    assert loads() == 0


STUCK = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from recognition.models import Photo
photo = Photo.objects.create(
    owner=User.objects.get(username="olga"), stage="uploaded", image="none.jpg", format="JPEG",
    sha256="0" * 64, bytes=1, width=4, height=3, next_try_at=timezone.now() + timedelta(days=1),
)
print(photo.pk)
"""


@pytest.fixture
def stuck(installation: Installation, token: str) -> Iterator[str]:
    """The id of a photo of olga's that no worker will touch before tomorrow."""
    photo_id = installation.manage("shell", "--verbosity", "0", "--command", STUCK).stdout.strip()
    yield photo_id
    installation.request("DELETE", f"/api/v1/photos/{photo_id}/", token=token)


def test_a_photo_deleted_meanwhile_leaves_the_pages_that_show_it(
    signed_in: Page, installation: Installation, token: str, stuck: str, complaints: list[str]
) -> None:
    page, tiles = signed_in, signed_in.context.new_page()
    page.goto(f"{installation.url}/photos/{stuck}/")
    tiles.goto(f"{installation.url}/photos/")
    tile = tiles.locator(f"#photo-{stuck}")
    expect(tile).to_contain_text("waiting")
    installation.request("DELETE", f"/api/v1/photos/{stuck}/", token=token)
    expect(tile).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    # Chromium logs the answers that told of it.
    assert any("status of 404" in text for text in complaints)
    complaints.clear()


def test_a_page_in_work_turns_to_the_sign_in_when_the_session_ends(
    signed_in: Page, installation: Installation, stuck: str, complaints: list[str]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/{stuck}/")
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{installation.url}/photos/")
    other.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{installation.url}/login/?next=/photos/{stuck}/", timeout=PATIENCE)
    # By this it learned of it.
    assert any("status of 401" in text for text in complaints)
    complaints.clear()


def test_every_page_is_accessible_and_fits_a_phone(
    signed_in: Page, installation: Installation, alert: dict[str, Any], complaints: list[str]
) -> None:
    page = signed_in
    photo = f"/photos/{alert['photo']['id']}/"
    for path in ("/", "/upload/", "/photos/", photo, "/alerts/", f"/alerts/{alert['id']}/", "/no/"):
        assert complaints_of_axe(page, installation.url + path) == [], path
    # The last is the page of what is not there, and its status is said in the console.
    assert [text for text in complaints if "status of 404" not in text] == []
    complaints.clear()
