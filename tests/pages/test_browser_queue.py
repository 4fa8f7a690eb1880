"""The page of the queue in Chromium, on an installation that runs."""

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.installation import Installation
from tests.pages.visiting import PATIENCE, complaints_of_axe, count_loads

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]

#: Rows without files: they fail again as soon as they are tried.
FAILURES = """
import uuid
from datetime import timedelta
from django.utils import timezone
from ledger.models import Minute
from recognition.models import Photo
now = timezone.now()
for number in range(3):
    Photo.objects.create(stage="failed", failed_stage="uploaded", error_code="worker_died", source=f"shelf {number}",
        error_detail="The worker died.", image="photos/gone.jpg", format="JPEG", sha256=uuid.uuid4().hex * 2, bytes=1,
        width=640, height=480, finished_at=now - timedelta(hours=number))
for number in range(2, 42):
    Minute.objects.get_or_create(subject="recognition.photo", defaults={"done": number, "failed": 1, "waiting": 5},
        starts_at=now.replace(second=0, microsecond=0) - timedelta(minutes=number))
"""


@pytest.fixture(scope="module")
def failures(installation: Installation) -> None:
    """Three photos that failed, and forty minutes of work."""
    installation.manage("shell", "--command", FAILURES)


@pytest.fixture
def queue(
    signed_in: Page, failures: None, installation: Installation, token: str
) -> Iterator[Page]:
    """The page, on which olga is a manager. Nothing is paused before and after."""
    signed_in.goto(f"{installation.url}/queue/?hours=1")
    yield signed_in
    for subject in ("intake", "photo:uploaded"):
        installation.request("DELETE", f"/api/v1/queue/pauses/{subject}/", token=token)


def test_pausing_and_resuming_by_mouse_is_seen_in_red_and_told(
    queue: Page, installation: Installation, token: str
) -> None:
    loads = count_loads(queue)
    queue.get_by_label("Reason to pause: Intake").fill("Moving house")
    queue.get_by_role("button", name="Pause: Intake").click()
    expect(queue.locator("#said")).to_contain_text("Intake: paused.")
    headline = queue.locator(".message.paused .headline")
    expect(headline).to_be_visible()
    expect(queue.locator(".message.paused li")).to_contain_text("by olga: “Moving house”")
    red = headline.evaluate("element => getComputedStyle(element).color")
    assert red == "rgb(179, 38, 30)"
    resume = queue.get_by_role("button", name="Resume: Intake")
    expect(resume).to_be_focused()
    (pause,) = installation.get("/api/v1/queue/", token=token).json()["paused"]
    assert (pause["subject"], pause["reason"]) == ("intake", "Moving house")
    resume.click()
    expect(headline).to_be_hidden()
    assert loads() == 0


def test_what_somebody_else_pauses_shows_by_itself(
    queue: Page, installation: Installation, token: str
) -> None:
    installation.request("PUT", "/api/v1/queue/pauses/photo:uploaded/", token=token)
    row = queue.locator("tr.paused")
    expect(row).to_contain_text("Finding faces")
    expect(queue.get_by_role("button", name="Resume: Finding faces")).to_be_visible()


def test_all_of_a_reason_are_tried_again_and_a_part_in_use_is_left_alone(
    queue: Page, installation: Installation, token: str
) -> None:
    loads = count_loads(queue)
    stage = "/api/v1/queue/pauses/photo:uploaded/"
    installation.request("PUT", stage, token=token)
    reason = queue.locator(".reasons > li").filter(has_text="The worker died.")
    reason.get_by_text("Which").click()
    box = reason.get_by_role("checkbox", name="Choose shelf 0")
    box.check()
    reason.get_by_role("button", name="Try again: shelf 2").click()
    expect(queue.locator("#said")).to_have_text("1 is on its way again.")
    box.check()
    # The worker looks at the photo, whose file is gone: news that wait until they are asked for.
    installation.request("DELETE", stage, token=token)
    newer = queue.get_by_role("button", name="There is news: show it")
    expect(newer).to_be_visible(timeout=PATIENCE)
    expect(box).to_be_checked()
    newer.click()
    expect(queue.locator(".reasons > li").filter(has_text="file is gone")).to_be_visible()
    reason.get_by_role("button", name=re.compile("^Try all again")).click()
    expect(queue.locator("#said")).to_have_text("2 are on their way again.")
    expect(reason).to_be_hidden()
    assert loads() == 0


def test_the_chart_is_drawn_and_the_table_has_its_numbers(queue: Page) -> None:
    expect(queue.locator("#chart canvas")).to_be_visible()
    queue.get_by_text("The numbers as a table").click()
    done = queue.locator("#history-data tbody td:nth-child(2)").all_inner_texts()
    columns = json.loads(queue.locator("#history-columns").text_content() or "")
    assert sum(map(int, done)) == sum(filter(None, columns["done"])) > 0
    # Another scheme, another colour; another width, another chart.
    before = queue.locator("#chart canvas").evaluate("canvas => canvas.toDataURL()")
    queue.emulate_media(color_scheme="dark")
    expect(queue.locator("#chart canvas")).to_be_visible()
    after = queue.locator("#chart canvas").evaluate("canvas => canvas.toDataURL()")
    assert before != after
    queue.set_viewport_size({"width": 360, "height": 800})
    expect(queue.locator("#chart .uplot")).to_have_js_property("clientWidth", 286)


def test_everything_is_done_by_keyboard(queue: Page) -> None:
    queue.get_by_role("link", name="Pause and resume").focus()
    queue.keyboard.press("Enter")
    queue.get_by_label("Reason to pause: Intake").focus()
    queue.keyboard.type("by hand")
    queue.keyboard.press("Tab")
    queue.keyboard.press("Enter")
    expect(queue.locator("#said")).to_contain_text("Intake: paused.")
    expect(queue.get_by_role("button", name="Resume: Intake")).to_be_focused()
    queue.keyboard.press("Space")
    expect(queue.locator("#said")).to_have_text("Intake: goes on.")
    expect(queue.get_by_role("button", name="Pause: Intake")).to_be_focused()


def test_the_page_can_be_used_by_everybody(
    queue: Page, installation: Installation, token: str
) -> None:
    installation.request("PUT", "/api/v1/queue/pauses/intake/", token=token)
    for summary in queue.locator("summary").all():
        summary.click()
    # To axe, what was scrolled behind the head of the page has no room to be touched.
    queue.evaluate("scrollTo(0, 0)")
    assert complaints_of_axe(queue) == []
    expect(queue.locator(".message.paused")).to_be_visible()
