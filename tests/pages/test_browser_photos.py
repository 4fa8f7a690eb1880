"""Uploading and looking at photos in Chromium, on an installation that runs: nothing of it is imitated."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page, Route, expect

from demo import photos as demo_photos
from tests.installation import Installation
from tests.pages.uploading import API, DROP, choose, new_picture, row, total
from tests.pages.visiting import PATIENCE, complaints_of_axe, count_loads, read

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture(scope="module")
def group(installation: Installation, token: str) -> dict[str, Any]:
    """A photo on which Jacinda Ardern, known by an older one, may be; from gate 7."""
    person = installation.post("/api/v1/people/", token=token, name="Jacinda Ardern").json()
    enrolment = installation.upload(
        f"/api/v1/people/{person['id']}/photos/", read("ardern-2018.jpg") + b"\0", token=token
    )
    installation.finished(enrolment.json(), token=token)
    sent = installation.upload(
        "/api/v1/photos/", read("ardern-2022.jpg") + b"\0\0", token=token, source="gate 7"
    )
    finished: dict[str, Any] = installation.finished(sent.json(), token=token)
    return finished


@pytest.fixture(scope="module")
def many(installation: Installation, token: str) -> None:
    """More photos than one page of the list holds, which nobody will work on."""
    installation.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        "from recognition.models import Photo\n"
        "olga = User.objects.get(username='olga')\n"
        "for n in range(1, 131): Photo.objects.create(owner=olga, stage='failed', failed_stage='uploaded',"
        " error_code='unreadable_image', error_detail='It is damaged.', image='none.jpg', format='JPEG',"
        " sha256=f'{n:064d}', bytes=1, width=4, height=3, source='archive')",
    )


def test_chosen_photos_turn_to_names_without_a_reload_and_are_there_on_return(
    signed_in: Page,
    installation: Installation,
    group: dict[str, Any],
    tmp_path: Path,
    complaints: list[str],
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    loads = count_loads(page)
    tiles = page.locator("#uploads > .tile")
    before = tiles.count()
    text = tmp_path / "notes.jpg"
    text.write_text("Dear diary")
    choose(page, text, *map(demo_photos.path, ("ardern-2022.jpg", "hopper.jpg", "coffee.png")))
    known = tiles.filter(has_text="possible Jacinda Ardern, 0.").first
    stranger = tiles.filter(has_text="1 face, nobody known").first
    for tile in (known, stranger):
        expect(tile).to_be_visible(timeout=PATIENCE)
        expect(tile.locator("img")).to_have_js_property("complete", value=True)
    expect(tiles).to_have_count(before + 3, timeout=PATIENCE)
    # The one that is no picture says why, and kept no other.
    expect(row(page, "notes.jpg").locator(".bad")).to_contain_text("Save it as a JPEG")
    expect(page.get_by_role("status").filter(has_text="3 of 4 stored, 1 refused")).to_be_attached()
    assert loads() == 0
    page.get_by_role("link", name="See the photos just sent").click()
    expect(page.locator("#tiles > .tile")).to_have_count(3)
    page.get_by_role("link", name="Upload", exact=True).click()
    expect(known).to_be_visible()
    # Chromium logs each answer that is an error.
    assert len(complaints) == 1
    assert "status of 400" in complaints.pop()


def test_a_photo_left_in_work_is_live_again_on_return(
    signed_in: Page, installation: Installation
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    with page.expect_response(API) as answer:
        choose(page, demo_photos.path("sunak.jpg"))
    photo = answer.value.json()
    # Gone the moment that it is stored.
    page.goto(f"{installation.url}/photos/")
    page.goto(f"{installation.url}/upload/")
    tile = page.locator(f"#photo-{photo['id']}")
    expect(tile).to_contain_text("1 face, nobody known", timeout=PATIENCE)


def test_dropped_folders_are_walked_through_and_what_is_no_picture_is_passed_over(
    signed_in: Page, installation: Installation
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    page.get_by_label("Source (optional)").fill("dropped")
    names = ["loose.png", "outer.png", "inner.png", "diary.txt"]
    page.evaluate(DROP, [list(read("coffee.png")), names])
    expect(page.locator("#summary")).to_have_text("3 of 3 stored", timeout=PATIENCE)
    passed = page.locator("#passed")
    expect(passed.locator("summary")).to_have_text("Passed over, because they are no pictures: 1")
    passed.locator("summary").click()
    expect(passed.get_by_text("diary.txt")).to_be_visible()


def test_a_paused_file_is_not_sent_until_it_goes_on(
    signed_in: Page, installation: Installation, token: str, tmp_path: Path
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    page.get_by_label("Source (optional)").fill("paused")
    files = [
        new_picture(tmp_path, f"{colour}.png", colour=colour) for colour in ("red", "green", "blue")
    ]
    held: list[Route] = []

    def hold(route: Route) -> None:
        """Keep it on its way, as a slow line does."""
        held.append(route)

    page.route(API, hold)
    choose(page, *files)
    expect(page.locator("#queue > .sending")).to_have_count(3)
    row(page, "red.png").get_by_role("button", name="Pause red.png").click()
    expect(row(page, "red.png").get_by_role("button", name="Resume red.png")).to_be_focused()
    page.get_by_role("button", name="Pause all").click()
    expect(page.locator("#queue > .paused")).to_have_count(3)
    expect(page.locator("#summary")).to_have_text("0 of 3 stored, 3 paused")
    page.unroute(API)
    for route in held:
        # The page has given it up already.
        with suppress(Error):
            route.abort()
    assert total(installation, token, "paused") == 0
    row(page, "red.png").get_by_role("button", name="Resume").click()
    expect(page.locator("#summary")).to_have_text("1 of 3 stored, 2 paused", timeout=PATIENCE)
    page.get_by_role("button", name="Resume all").click()
    expect(page.locator("#summary")).to_have_text("3 of 3 stored", timeout=PATIENCE)
    assert total(installation, token, "paused") == 3


def test_a_file_whose_answer_was_lost_is_sent_again_under_its_key_and_stored_once(
    signed_in: Page, installation: Installation, token: str, tmp_path: Path, complaints: list[str]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    page.get_by_label("Source (optional)").fill("broken")
    keys: list[str] = []

    def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) > 1:
            route.continue_()
            return
        # The server has it, and the browser never hears of it.
        route.fetch()
        route.abort("connectionreset")

    page.route(API, lose_the_first_answer)
    choose(page, new_picture(tmp_path, "white.png", colour="white"))
    expect(page.locator("#summary")).to_have_text("1 of 1 stored", timeout=PATIENCE)
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert total(installation, token, "broken") == 1
    assert all("ERR_CONNECTION_RESET" in text for text in complaints)
    complaints.clear()


def test_a_full_server_is_waited_for(
    signed_in: Page, installation: Installation, tmp_path: Path, complaints: list[str]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    answers: list[int] = []

    def refuse_the_first(route: Route) -> None:
        answers.append(1)
        if len(answers) > 1:
            route.continue_()
        else:
            route.fulfill(status=503, headers={"Retry-After": "2"}, body="{}")

    page.route(API, refuse_the_first)
    choose(page, new_picture(tmp_path, "black.png", colour="black"))
    expect(page.locator("#held")).to_contain_text(re.compile(r"goes on by itself in [12] s"))
    expect(page.locator("#summary")).to_have_text("1 of 1 stored", timeout=PATIENCE)
    expect(page.locator("#held")).to_be_hidden()
    assert all("status of 503" in text for text in complaints)
    complaints.clear()


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    signed_in: Page, installation: Installation, tmp_path: Path
) -> None:
    page = signed_in
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(32_000_001)
    page.goto(f"{installation.url}/upload/")
    choose(page, huge)
    large = row(page, "huge.jpg")
    expect(large.locator(".bad")).to_have_text("The file is larger than 32 MB. Send a smaller one.")
    large.get_by_role("button", name="Remove").click()
    expect(large).to_have_count(0)


def test_without_a_connection_files_wait_and_go_on_by_themselves(
    signed_in: Page, installation: Installation, complaints: list[str]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/upload/")
    page.context.set_offline(True)
    choose(page, demo_photos.path("macron-2014.jpg"))
    expect(row(page, "macron-2014.jpg").locator(".bad")).to_contain_text("There is no connection.")
    page.context.set_offline(False)
    expect(page.locator("#summary")).to_have_text("1 of 1 stored", timeout=PATIENCE)
    assert all("ERR_INTERNET_DISCONNECTED" in text for text in complaints)
    complaints.clear()


def test_a_photo_is_uploaded_by_keyboard_alone(
    signed_in: Page, installation: Installation, tmp_path: Path
) -> None:
    page = signed_in
    # The browser is told early that nobody is there to use its dialog; it hears of it some time later.
    page.on("filechooser", lambda _: None)
    page.goto(f"{installation.url}/upload/")
    page.locator("#content").focus()
    page.keyboard.press("Tab")
    expect(page.locator("#files")).to_be_focused()
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(new_picture(tmp_path, "grey.png", colour="grey"))
    expect(page.locator("#summary")).to_have_text("1 of 1 stored", timeout=PATIENCE)
    expect(page.locator("#files")).to_be_focused()


def test_the_list_keeps_its_place_when_a_photo_was_opened_and_on_reload(
    signed_in: Page, installation: Installation, many: None
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/?source=archive")
    tiles = page.locator("#tiles > .tile")
    expect(tiles).to_have_count(48)
    # More come by scrolling; the last ones are on the third page.
    for number in (96, 130):
        page.get_by_role("link", name="Older photos").scroll_into_view_if_needed()
        expect(tiles).to_have_count(number)
    tile = tiles.nth(110)
    tile.scroll_into_view_if_needed()
    identity = tile.get_attribute("id")
    here = page.locator(f"#{identity}")
    place = here.bounding_box()
    here.get_by_role("link").click()
    expect(page.locator("#photo h1")).to_be_visible()
    assert "source=archive" in page.url
    page.go_back()
    expect(here.get_by_role("link")).to_be_focused()
    again = here.bounding_box()
    assert place
    assert again
    assert again["y"] == pytest.approx(place["y"], abs=4)
    assert page.url.endswith(f"#{identity}")
    assert "source=archive" in page.url
    page.reload()
    expect(here.get_by_role("link")).to_be_focused()
    expect(here).to_be_in_viewport()
    # Upwards as well, and what is seen does not move.
    page.get_by_role("link", name="Newer photos").evaluate("link => link.click()")
    expect(tiles).to_have_count(130 - 48)
    expect(here).to_be_in_viewport()


def test_new_photos_are_told_and_move_nothing(
    signed_in: Page, installation: Installation, token: str, group: dict[str, Any]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/?source=gate+7")
    tiles = page.locator("#tiles > .tile")
    before = tiles.count()
    for twist in (7, 8):
        image = read("coffee.png") + bytes([0, 0, twist])
        installation.upload("/api/v1/photos/", image, token=token, source="gate 7")
    news = page.get_by_role("status").get_by_role("button", name="2 new photos")
    expect(news).to_be_visible(timeout=PATIENCE)
    expect(tiles).to_have_count(before)
    news.click()
    expect(tiles).to_have_count(before + 2)


def test_boxes_name_their_candidates_by_keyboard_and_by_mouse(
    signed_in: Page, installation: Installation, group: dict[str, Any]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/{group['id']}/")
    box = page.get_by_role("link", name=re.compile(r"^Face 1: possible Jacinda Ardern, distance 0"))
    entry, card = page.locator("#face-1"), page.locator("[data-card='1']")
    expect(box).to_be_visible()
    page.locator("#full").focus()
    page.keyboard.press("Tab")
    expect(box).to_be_focused()
    expect(card).to_contain_text(re.compile(r"quality [01]\.\d\d\s+possible Jacinda Ardern, 0\.\d"))
    expect(entry).to_have_class(re.compile("active"))
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    page.keyboard.press("Enter")
    expect(entry).to_be_focused()
    page.mouse.move(0, 0)
    page.locator("h1").click()
    expect(entry).not_to_have_class(re.compile("active"))
    box.hover()
    expect(card).to_be_visible()
    card.hover()
    expect(card).to_be_visible()
    page.mouse.move(0, 0)
    expect(card).to_be_hidden()
    entry.hover()
    expect(page.locator("#box-1")).to_have_class(re.compile("active"))


def test_boxes_lie_on_the_faces_at_each_size(
    signed_in: Page, installation: Installation, group: dict[str, Any]
) -> None:
    page = signed_in
    page.goto(f"{installation.url}/photos/{group['id']}/")
    boxes = page.locator(".boxes rect:not(.hit)")
    expect(boxes).to_have_count(len(group["faces"]))
    picture = page.locator(".picture img")
    expect(picture).to_have_js_property("naturalWidth", group["width"])

    def check() -> float:
        shown, drawn = picture.bounding_box(), boxes.first.bounding_box()
        assert shown
        assert drawn
        scale = float(shown["width"] / group["width"])
        box = group["faces"][0]["box"]
        assert drawn["x"] - shown["x"] == pytest.approx(box["x"] * scale, abs=4)
        assert drawn["y"] - shown["y"] == pytest.approx(box["y"] * scale, abs=4)
        assert drawn["width"] == pytest.approx(box["width"] * scale, abs=8)
        return scale

    for width in (320, 800, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        scale = check()
    page.get_by_role("button", name="Zoom in").click()
    assert check() == pytest.approx(scale * 1.5, rel=0.02)
    page.keyboard.press("0")
    assert check() == pytest.approx(scale, rel=0.02)
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute("aria-pressed", "true")
    check()
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full screen")).to_have_attribute(
        "aria-pressed", "false"
    )


def test_the_pages_are_accessible_with_everything_on_them(
    signed_in: Page,
    installation: Installation,
    group: dict[str, Any],
    tmp_path: Path,
    complaints: list[str],
) -> None:
    page = signed_in
    photo = f"{installation.url}/photos/{group['id']}/"
    assert complaints_of_axe(page, f"{installation.url}/photos/?source=gate+7&faces=with") == []
    assert complaints_of_axe(page, photo) == []
    page.locator("#box-1").focus()
    assert complaints_of_axe(page) == []
    assert complaints_of_axe(page, f"{photo}delete/") == []
    page.goto(f"{installation.url}/upload/")
    text = tmp_path / "notes.jpg"
    text.write_text("Dear diary")
    choose(page, text)
    expect(row(page, "notes.jpg").locator(".bad")).to_be_visible()
    assert complaints_of_axe(page) == []
    complaints.clear()
