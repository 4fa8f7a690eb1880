"""The page of the queue: what waits, who works, what failed and why; pausing, resuming and trying again."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from ledger import history, pauses, queues
from ledger.models import Minute, Served, Worker
from recognition.models import Photo
from tests import make
from tests.pages.visiting import read

URL = "/queue/"


@pytest.fixture
def manager(db: None, client: Client) -> Any:
    """Someone who may pause, signed in at `client`."""
    user = make.user("mona", role="manager")
    client.force_login(user)
    return user


def worker(name: str = "w-1", *, seconds: float = 0, **fields: Any) -> Worker:
    """A worker that reported itself so many seconds ago."""
    now = timezone.now()
    fields = {"engine": "opencv", "started_at": now - timedelta(hours=2)} | fields
    return Worker.objects.create(name=name, seen_at=now - timedelta(seconds=seconds), **fields)


def failed(code: str = "no_face", **fields: Any) -> Photo:
    defaults = {"failed_stage": "uploaded", "finished_at": timezone.now()}
    return make.photo(stage="failed", error_code=code, **defaults | fields)


def text(answer: Any) -> str:
    """What a page says, without its tags, and without the seconds that a slow machine takes."""
    words = " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())
    return re.sub(r"\b\d+ s\b", "N s", words)


def test_uploaders_have_no_business_here(client: Client, uploader: object) -> None:
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}now/").status_code == 403
    assert b'href="/queue/"' not in client.get("/").content


def test_operators_find_it_in_the_navigation(client: Client, operator: object) -> None:
    assert b'href="/queue/"' in client.get("/").content
    assert client.get(URL).status_code == 200


def test_what_waits_is_counted_by_stage(client: Client, operator: object) -> None:
    now = timezone.now()
    make.photo(stage="uploaded", created_at=now - timedelta(minutes=3, seconds=1))
    make.photo(stage="uploaded", lease_until=now + timedelta(seconds=60))
    make.photo(stage="detected", next_try_at=now + timedelta(seconds=60))
    make.photo(finished_at=now)
    answer = client.get(URL)
    (photos,) = [one for one in answer.context["models"] if one.exhibit.key == "photo"]
    assert (photos.total, photos.done_per_minute) == (3, 1)
    assert [(one.ready, one.leased, one.waiting) for one in photos.stages] == [
        (1, 1, 0),
        (0, 0, 1),
    ]
    assert "Finding faces 1 1 0 3 min" in text(answer)
    assert "about 3 min" in text(answer)


def test_it_says_in_a_big_line_that_no_worker_is_alive(client: Client, operator: object) -> None:
    worker("cellar-4711", seconds=300)
    said = text(client.get(URL))
    assert "No worker is alive" in said
    assert "cellar-4711 gone last heard of 5 min ago" in said
    worker()
    assert "No worker is alive" not in text(client.get(URL))


def test_a_worker_tells_what_it_does_and_since_when(client: Client, operator: object) -> None:
    photo = make.photo(stage="uploaded")
    since = timezone.now() - timedelta(seconds=7)
    worker(doing=f"detect_faces {photo.pk}", doing_since=since)
    worker("w-2")
    answer = client.get(URL)
    assert f"w-1 Finding faces {str(photo.pk)[:8]} for N s" in text(answer)
    assert "w-2 idle" in text(answer)
    assert f'href="/photos/{photo.pk}/"' in answer.content.decode()


def test_managers_pause_and_resume_with_a_reason_that_everybody_sees(
    client: Client, manager: object
) -> None:
    order = {"subject": "photo:uploaded", "do": "pause", "reason": "Moving house"}
    answer = client.post(f"{URL}pause/", order, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "Finding faces: paused. What is under way is finished."
    ]
    assert "Paused Finding faces for N s , by mona: “Moving house”" in text(answer)
    assert b'<tr class="paused">' in answer.content
    client.post(f"{URL}pause/", {"subject": "photo:uploaded", "do": "resume"})
    assert pauses.paused() == []


def test_who_pauses_by_script_gets_the_part_anew_with_what_to_say(
    client: Client, manager: object
) -> None:
    order = {"subject": "intake", "do": "pause"}
    answer = client.post(f"{URL}pause/", order, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.templates[0].name) == (200, "ledger/controls.html")
    assert b'data-said="Intake: paused. What is under way is finished."' in answer.content


def test_operators_see_what_is_paused_and_have_no_switch(client: Client, operator: object) -> None:
    pauses.pause("intake", by=None, reason="Moving house")
    answer = client.get(URL)
    assert "Paused Intake" in text(answer)
    assert b'action="/queue/pause/"' not in answer.content
    assert client.post(f"{URL}pause/", {"subject": "intake", "do": "resume"}).status_code == 403
    assert len(pauses.paused()) == 1


def test_what_cannot_be_paused_is_not_there(client: Client, manager: object) -> None:
    assert client.post(f"{URL}pause/", {"subject": "photo:done"}).status_code == 404
    assert client.get(f"{URL}pause/").status_code == 405


def test_the_upload_page_says_what_is_paused_of_the_way_of_a_photo(
    client: Client, uploader: object
) -> None:
    pauses.pause("intake", by=None, reason="Moving house")
    pauses.pause("photo:detected", by=None)
    pauses.pause("digest:pending", by=None)
    said = text(client.get("/upload/"))
    assert "Paused Intake for N s : “Moving house” Recognising for N s" in said
    assert "Digests" not in said


def test_who_uploads_without_scripts_is_told_why_it_is_refused(
    client: Client, uploader: object
) -> None:
    pauses.pause("intake", by=None, reason="Moving house")
    photo = SimpleUploadedFile("hopper.jpg", read("hopper.jpg"))
    answer = client.post("/upload/", {"image": photo}, follow=True)
    (message,) = [str(message) for message in answer.context["messages"]]
    assert "Intake is paused: Moving house" in message
    assert not Photo.objects.exists()


def order(what: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "photo", "stage": "failed", "code": "no_face", "what": what} | fields


def test_one_the_chosen_or_all_of_a_reason_are_tried_again(
    client: Client, operator: object
) -> None:
    photos = [failed() for _ in range(6)]
    other = failed("worker_died")

    def left() -> int:
        return Photo.objects.filter(stage="failed", error_code="no_face").count()

    client.post(f"{URL}retry/", order(str(photos[0].pk)))
    assert left() == 5
    chosen = [str(photo.pk) for photo in (*photos[1:3], other)]
    client.post(f"{URL}retry/", order("chosen", chosen=chosen))
    assert left() == 3
    answer = client.post(f"{URL}retry/", order("all"), follow=True)
    assert left() == 0
    assert "3 are on their way again." in text(answer)
    other.refresh_from_db()
    assert other.stage == "failed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_queue")
def test_what_is_tried_again_is_woken_at_once(client: Client) -> None:
    client.force_login(make.user("otto", role="operator"))
    failed()
    client.post(f"{URL}retry/", order("all"))
    assert queues.length() == 1


def test_choosing_nothing_is_told(client: Client, operator: object) -> None:
    failed()
    answer = client.post(f"{URL}retry/", order("chosen"), headers={"HX-Request": "true"})
    assert b"Nothing was chosen" in answer.content
    assert Photo.objects.get().stage == "failed"


def test_senseless_orders_are_not_obeyed(client: Client, operator: object) -> None:
    failed()
    for wrong in ({"model": "worker"}, {"model": "search"}, {"stage": "done"}, {"stage": ""}):
        assert client.post(f"{URL}retry/", order("all", **wrong)).status_code == 404
    client.post(f"{URL}retry/", order("x' OR 1"))
    assert Photo.objects.get().stage == "failed"


def delivery() -> Any:
    watchlist = make.watchlist()
    subscription = make.subscription(watchlist)
    return make.alert(watchlist=watchlist, person=make.person()).deliveries.create(
        subscription=subscription,
        channel="email",
        target=subscription.target,
        mode="instant",
        stage="unknown",
        error_code="no_answer",
        finished_at=timezone.now(),
    )


def test_only_managers_have_a_mail_sent_again_and_are_warned(
    client: Client, operator: object
) -> None:
    row = delivery()
    wanted = order("all", model="delivery", stage="unknown", code="no_answer")
    said = text(client.get(URL))
    assert "Deliveries, unknown whether sent" in said
    assert "Send all again" not in said
    assert client.post(f"{URL}retry/", wanted).status_code == 403
    client.force_login(make.user("mona", role="manager"))
    assert "What did arrive comes twice then" in text(client.get(URL))
    client.post(f"{URL}retry/", wanted)
    row.refresh_from_db()
    assert row.stage == "pending"


def test_staff_is_led_to_where_mails_are_managed(client: Client, db: None) -> None:
    client.force_login(make.user("mona", role="manager", is_staff=True))
    row = delivery()
    content = client.get(URL).content.decode()
    assert 'href="/admin/alerts/delivery/?stage=unknown"' in content
    assert f'href="/admin/alerts/delivery/{row.pk}/change/"' in content


def test_the_chart_and_the_table_have_the_same_numbers(client: Client, operator: object) -> None:
    start = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=50)
    for number in range(45):
        starts_at = start + timedelta(minutes=number)
        Minute.objects.create(
            subject="recognition.photo", starts_at=starts_at, done=number, failed=1, waiting=number
        )
    for address in (f"{URL}?hours=1", f"{URL}history/?hours=1"):
        answer = client.get(address)
        found = re.search(
            r'<script id="history-columns" type="application/json">(.*?)</script>',
            answer.content.decode(),
        )
        assert found
        columns = json.loads(found[1])
        assert len(columns["done"]) == 60
        assert sum(filter(None, columns["done"])) == sum(range(45))
        steps = answer.context["steps"]
        assert sum(step.done for step in steps) == sum(range(45))
        assert sum(step.failed for step in steps) == 45


def test_hours_that_are_not_offered_are_the_usual_ones(client: Client, operator: object) -> None:
    for hours in ("", "5", "x", "-1"):
        answer = client.get(URL, {"hours": hours, "of": "worker"})
        assert (answer.context["hours"], answer.context["of"].key) == (6, "photo")
    assert client.get(URL, {"hours": "24", "of": "digest"}).context["of"].key == "digest"


@pytest.mark.parametrize("count", [1, 30])
def test_the_page_costs_the_same_however_much_there_is(
    client: Client, manager: object, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    for number in range(count):
        make.photo(stage="uploaded")
        failed()
        failed("worker_died")
        worker(f"w-{number}", doing=f"detect_faces {number}")
        Minute.objects.create(
            subject="recognition.photo",
            starts_at=now - timedelta(minutes=number + 1),
            done=1,
            failed=0,
        )
    delivery()
    for subject in pauses.NAMES:
        pauses.pause(subject, by=None)
    # What another test measured would be kept up to some moment between these two.
    cache.clear()
    client.get(URL)
    # Session, user, 2 x permissions; the version (18); pauses, workers, failures (3); what waits and what ended (23);
    # minutes; reasons (4), of two of which there are examples.
    with django_assert_num_queries(65):
        client.get(URL)


def test_the_parts_are_their_own_pages(client: Client, operator: object) -> None:
    for part in ("now", "controls", "failures", "history"):
        content = client.get(f"{URL}{part}/").content
        assert b"<html" not in content
        assert content.strip()


def test_the_sweep_s_minutes_come_to_the_page(client: Client, operator: object) -> None:
    history.record_minutes()
    answer = client.get(URL)
    assert len(answer.context["steps"]) == 1
    assert "No minute is recorded yet" not in text(answer)


def test_it_says_which_kind_of_work_has_too_few_workers(client: Client, operator: object) -> None:
    cache.clear()
    worker("w-1")
    now = timezone.now()
    # 60 photos of 10 s each in a second: no single worker holds that.
    Served.objects.create(queue="detect", starts_at=now - timedelta(minutes=1), seconds=600)
    for _ in range(60):
        make.photo(stage="done", finished_at=now)
    content = client.get(f"{URL}now/").content.decode()
    cache.clear()
    (row,) = re.findall(
        r'<tr class="short"><th scope="row"><code>detect</code></th>(.*?)</tr>', content
    )
    there, needed, seconds = re.findall(r"<td>(.*?)</td>", row)
    assert there == "1"
    assert int(needed) > 1
    assert seconds == "10.00"
    # Nothing was measured of the others.
    assert content.count("<td>–</td><td>–</td></tr>") == 2
