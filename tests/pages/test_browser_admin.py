"""The admin in Chromium: photos of one person, many people from an archive, and pages that everybody can use."""

import os
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from demo import photos as demo_photos
from tests.installation import Installation
from tests.pages.visiting import (
    PATIENCE,
    complaints_of_axe,
    count_loads,
    read,
)

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]

STAFF = """
from django.contrib.auth.models import User
User.objects.filter(username="olga").update(is_staff=True)
"""


@pytest.fixture(scope="module")
def staff(installation: Installation, token: str) -> None:
    """Olga is of the staff."""
    installation.manage("shell", "--verbosity", "0", "--command", STAFF)


@pytest.fixture
def admin(signed_in: Page, staff: None) -> Page:
    """A page of olga's."""
    return signed_in


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Two people with photos, and files that nobody can be known by."""
    path = tmp_path / "people.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("people/Emmanuel Macron/2014.jpg", read("macron-2014.jpg"))
        packed.writestr("people/Emmanuel Macron/2025.jpg", read("macron-2025.jpg"))
        packed.writestr("people/Rishi_Sunak/1.jpg", read("sunak.jpg"))
        packed.writestr("people/Rishi_Sunak/cup.png", read("coffee.png"))
        packed.writestr("people/Rishi_Sunak/words.jpg", os.urandom(100))
        packed.writestr("people/Rishi_Sunak/notes.txt", "words")
        packed.writestr("people/__MACOSX/._1.jpg", "")
    return path


def test_several_photos_of_a_person_become_chips_without_a_reload(
    admin: Page, installation: Installation, tmp_path: Path
) -> None:
    page = admin
    words = tmp_path / "words.txt"
    words.write_text("Dear diary")
    page.goto(f"{installation.url}/admin/recognition/person/add/")
    page.get_by_label("Name").fill("Joe Biden")
    field = page.get_by_label("Add photos")
    field.set_input_files([demo_photos.path("biden-2010.jpg"), words])
    expect(page.get_by_role("alert")).to_contain_text("words.txt: Not sent")
    # Chosen later, they are added to what was chosen before.
    field.set_input_files([demo_photos.path("hopper.jpg"), demo_photos.path("coffee.png")])
    expect(page.locator(".fw-files img")).to_have_count(3)
    page.get_by_role("button", name="Remove hopper.jpg").click()
    expect(page.get_by_role("status").filter(has_text="Files to send: 2")).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("2 photos are stored and will be looked at.")).to_be_visible()
    page.wait_for_load_state()
    loads = count_loads(page)
    cards = page.locator(".fw-cards > li")
    expect(cards.filter(has_text="done")).to_contain_text("Quality", timeout=PATIENCE)
    expect(cards.filter(has_text="No face found")).to_contain_text("Use a photo that shows")
    expect(page.locator("[data-busy]")).to_have_count(0)
    assert loads() == 0


def test_photos_dropped_on_the_form_are_chosen(admin: Page, installation: Installation) -> None:
    page = admin
    page.goto(f"{installation.url}/admin/recognition/person/add/")
    dropped = page.evaluate_handle(
        """async (bytes) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", {type: "image/png"}));
            return transfer;
        }""",
        list(read("coffee.png")),
    )
    page.dispatch_event(".fw-drop", "drop", {"dataTransfer": dropped})
    expect(page.locator(".fw-files")).to_contain_text("dropped.png")
    chosen = page.get_by_label("Add photos").evaluate("field => field.files[0].name")
    assert chosen == "dropped.png"


def test_an_archive_is_looked_through_confirmed_and_followed_by_keyboard(
    admin: Page, installation: Installation, archive: Path
) -> None:
    page = admin
    page.goto(f"{installation.url}/admin/recognition/person/")
    page.get_by_role("link", name="Enrol from an archive").press("Enter")
    page.get_by_label("Zip archive").set_input_files(archive)
    page.get_by_role("button", name="Send and look through").press("Enter")
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    expect(page.locator(".fw-rows > li")).to_have_count(2)
    expect(page.get_by_text("Not a JPEG, PNG or WebP file (1)")).to_be_visible()
    page.get_by_role("button", name="Enrol 5 photos").press("Enter")
    expect(page.get_by_role("button", name="Enrol 5 photos")).to_have_count(0)
    page.wait_for_load_state()
    loads = count_loads(page)
    expect(page.get_by_text("All photos are taken in and looked at.")).to_be_visible(
        timeout=PATIENCE
    )
    assert loads() == 0
    rows = page.locator(".fw-rows > li")
    expect(rows.filter(has_text="Emmanuel Macron")).to_contain_text("2 enrolled")
    expect(rows.filter(has_text="Rishi Sunak")).to_contain_text("1 enrolled")
    expect(page.get_by_text("No face found (1)")).to_be_visible()
    page.get_by_role("link", name="Rishi Sunak").press("Enter")
    expect(page.locator(".fw-cards > li")).to_have_count(2)


def test_the_admin_is_accessible_and_fits_a_phone(
    admin: Page, installation: Installation, token: str, archive: Path, complaints: list[str]
) -> None:
    page = admin
    person = installation.post("/api/v1/people/", token=token, name="Grace Hopper").json()
    enrolment = installation.upload(
        f"/api/v1/people/{person['id']}/photos/", read("hopper.jpg"), token=token
    )
    installation.finished(enrolment.json(), token=token)
    installation.upload(f"/api/v1/people/{person['id']}/photos/", read("coffee.png"), token=token)
    installation.post(
        "/api/v1/watchlists/", token=token, name="Dock", people=[person["id"]], cooldown_seconds=0
    )
    photo = installation.upload("/api/v1/photos/", read("hopper.jpg") + b"\0", token=token)
    installation.finished(photo.json(), token=token)
    alert = installation.alert_of(person["id"], token=token)
    page.goto(f"{installation.url}/admin/recognition/person/archive/")
    page.get_by_label("Zip archive").set_input_files(archive)
    page.get_by_role("button", name="Send and look through").click()
    expect(page.get_by_text("Nobody is enrolled yet")).to_be_visible()
    preview = page.url.removeprefix(installation.url)
    found = {}
    for path in (
        preview,
        "/admin/",
        "/admin/recognition/person/",
        f"/admin/recognition/person/{person['id']}/change/",
        "/admin/alerts/alert/",
        f"/admin/alerts/alert/{alert['id']}/change/",
        "/admin/alerts/subscription/add/",
    ):
        page.goto(installation.url + path)
        assert complaints == []
        found[path] = complaints_of_axe(page)
        # Where a style sheet imports another, axe puts both into the page to look at them, which the policy forbids.
        complaints[:] = [text for text in complaints if "Applying inline style" not in text]
    assert {path: lines for path, lines in found.items() if lines} == {}
