"""The pages in Chromium, on an installation that runs: nothing of it is imitated."""

from collections.abc import Iterator
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
    installation.post(
        "/api/v1/watchlists/", token=token, name="Gate", people=[person["id"]], cooldown_seconds=0
    )
    # Other bytes than the test of the upload sends, the same picture.
    photo = installation.upload(
        "/api/v1/photos/", read("ardern-2022.jpg") + b"\0", token=token, source="gate 2"
    )
    installation.finished(photo.json(), token=token)
    return installation.alert_of(person["id"], token=token)


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


STUCK = """
import uuid
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from recognition.models import Photo
photo = Photo.objects.create(
    owner=User.objects.get(username="olga"), stage="uploaded", image="none.jpg", format="JPEG",
    sha256="0" * 64, bytes=1, width=4, height=3, lease_token=uuid.uuid4(),
    lease_until=timezone.now() + timedelta(seconds=170),
)
print(photo.pk)
"""


@pytest.fixture
def stuck(installation: Installation, token: str) -> Iterator[str]:
    """The id of a photo of olga's that somebody seems to be at work on, for longer than a test takes."""
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


def test_without_scripts_the_form_stores_the_photo(
    page: Page, installation: Installation, token: str
) -> None:
    browser = page.context.browser
    assert browser is not None
    with browser.new_context(java_script_enabled=False) as context:
        plain = context.new_page()
        plain.goto(f"{installation.url}/login/?next=/upload/")
        sign_in(plain, password=PASSWORD)
        plain.get_by_label("Choose photos").set_input_files(demo_photos.path("collins.png"))
        plain.get_by_role("button", name="Upload").click()
        expect(plain.get_by_role("status").first).to_have_text(
            "1 photo is stored and will be looked at."
        )


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
    expect(page.locator(".boxes a")).to_have_count(1)
    assert loads() == 0


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
