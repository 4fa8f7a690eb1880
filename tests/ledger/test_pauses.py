"""What is paused is not begun, by nobody and nowhere, and nothing of it is lost."""

import signal
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from alerts import tasks as alert_tasks
from alerts.models import Delivery, Digest
from demo import photos as demo_photos
from ledger import controls, intake, kinds, leases, pauses, queues
from ledger.sweep import sweep
from recognition import admission
from recognition.models import Photo
from tests import make
from tests.databases import only_sqlite
from tests.installation import Installation, signal_all

DETECT = "photo:uploaded"


@pytest.fixture
def queue(transactional_db: None, empty_queue: None) -> None:
    """A queue without messages, and wake-ups that are sent."""


def claim(photo: Photo) -> leases.Lease[Photo] | None:
    return leases.claim(Photo, photo.pk, stage=photo.stage)


def test_each_stage_and_the_intake_can_be_paused() -> None:
    assert list(pauses.NAMES) == [
        "intake",
        *("photo:uploaded", "photo:detected", "search:asked", "batch:taking"),
        *("lookback:waiting", "delivery:pending", "digest:pending"),
    ]


@pytest.mark.django_db
def test_nobody_claims_a_row_of_a_paused_stage_and_all_others_are_claimed() -> None:
    pauses.pause(DETECT, by=None)
    paused, other = make.photo(stage="uploaded"), make.photo(stage="detected")
    assert claim(paused) is None
    paused.refresh_from_db()
    assert paused.attempts == 0
    assert claim(other) is not None


@pytest.mark.django_db
def test_a_claim_asks_the_database_no_more_often_than_without_pauses(
    django_assert_num_queries: Any,
) -> None:
    photo = make.photo(stage="uploaded")
    with django_assert_num_queries(1):
        assert claim(photo) is not None


@pytest.mark.django_db
def test_what_is_in_work_when_its_stage_is_paused_is_finished() -> None:
    lease = claim(make.photo(stage="uploaded"))
    assert lease is not None
    pauses.pause(DETECT, by=None)
    leases.finish(lease, stage="done")
    lease.row.refresh_from_db()
    assert lease.row.stage == "done"


@pytest.mark.django_db
def test_pausing_twice_keeps_who_did_it_first_and_lifting_twice_does_nothing() -> None:
    first, second = make.user("first"), make.user("second")
    assert pauses.pause(DETECT, by=first, reason="disk") is True
    assert pauses.pause(DETECT, by=second, reason="other") is False
    (one,) = pauses.paused()
    assert (one.subject, str(one.name), one.by, one.reason) == (
        DETECT,
        "Finding faces",
        "first",
        "disk",
    )
    assert controls.resume(DETECT) is True
    assert controls.resume(DETECT) is False
    assert pauses.paused() == []


@pytest.mark.django_db
def test_what_is_paused_is_told_in_the_order_of_the_work_by_one_query(
    django_assert_num_queries: Any,
) -> None:
    for subject in reversed(pauses.NAMES):
        pauses.pause(subject, by=None)
    with django_assert_num_queries(1):
        assert [one.subject for one in pauses.paused()] == list(pauses.NAMES)


@pytest.mark.django_db
def test_the_user_who_paused_may_be_deleted_and_the_pause_stays() -> None:
    user = make.user("gone")
    pauses.pause(DETECT, by=user)
    user.delete()
    assert [one.by for one in pauses.paused()] == [""]


def test_the_sweep_wakes_nothing_that_is_paused(queue: None) -> None:
    make.photo(stage="uploaded")
    make.photo(stage="detected")
    pauses.pause(DETECT, by=None)
    assert sweep().woken == 1
    assert sweep().woken == 0


def test_resuming_wakes_what_waits_at_once_and_no_more_than_is_answered_soon(
    queue: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controls, "MOST_WOKEN", 2)
    pauses.pause(DETECT, by=None)
    urgent = [make.photo(stage="uploaded") for _ in range(2)]
    make.photo(stage="uploaded", priority=-30)
    make.photo(stage="detected")
    controls.resume(DETECT)
    woken = [queues.huey.dequeue().args[0] for _ in range(queues.length())]
    assert woken == [str(photo.pk) for photo in urgent]
    assert sweep().woken == 4


def test_a_process_that_dies_while_it_resumes_leaves_the_rest_to_the_sweep(queue: None) -> None:
    make.photo(stage="uploaded")
    pauses.pause(DETECT, by=None)
    # All that is stored of resuming: what comes after it are wake-ups.
    pauses.lift(DETECT)
    assert sweep().woken == 1


@pytest.mark.django_db
def test_paused_intake_takes_in_nothing_and_says_why() -> None:
    pauses.pause("intake", by=None, reason="Moving house.")
    with pytest.raises(intake.Paused, match=r"^Intake is paused: Moving house$") as refused:
        make.upload("hopper.jpg")
    assert refused.value.code == "paused"
    assert intake.PAUSE_WAIT <= refused.value.retry_after <= intake.PAUSE_WAIT * 1.25
    assert not Photo.objects.exists()
    with pytest.raises(intake.Paused):
        admission.check(owner=None)
    pauses.lift("intake")
    assert make.upload("hopper.jpg").stage == "uploaded"


# Of a table with hardly a row PostgreSQL's choice is chance.
@only_sqlite
@pytest.mark.django_db
def test_the_ready_rows_are_found_by_an_index_with_the_pause_looked_up() -> None:
    (kind,) = [kind for kind in kinds.KINDS if kind.subject == DETECT]
    plan = kind.ready().explain()
    assert "photo_unfinished" in plan
    assert "SCAN" not in plan


@pytest.fixture
def owed() -> list[Delivery]:
    """Two alerts that one recipient hears of hourly, from before the last full hour."""
    watchlist, person = make.watchlist(), make.person()
    hourly = make.subscription(watchlist, mode="hourly")
    then = timezone.now() - timedelta(hours=3)
    return [
        Delivery.objects.create(
            alert=make.alert(watchlist=watchlist, person=person),
            subscription=hourly,
            channel="email",
            target=hourly.target,
            mode="hourly",
            stage="batched",
            created_at=then,
        )
        for _ in range(2)
    ]


def test_paused_digests_are_not_opened_and_one_tells_everything_afterwards(
    queue: None, owed: list[Delivery]
) -> None:
    pauses.pause("digest:pending", by=None)
    alert_tasks.send_due_digests.call_local()
    assert not Digest.objects.exists()
    controls.resume("digest:pending")
    alert_tasks.send_due_digests.call_local()
    digest = Digest.objects.get()
    assert digest.deliveries.count() == 2


@pytest.mark.usefixtures("photos_folder")
def test_a_pause_outlives_a_kill_of_everything_and_nothing_is_lost(tmp_path: Path) -> None:
    running = Installation(tmp_path / "data").start()
    try:
        token = running.token()
        address = f"/api/v1/queue/pauses/{DETECT}/"
        assert running.send("PUT", address, token=token, reason="test").status == 201
        image = demo_photos.path("hopper.jpg").read_bytes()
        photo = running.upload("/api/v1/photos/", image, token=token).json()
        processes = running.processes()
        running.kill()
        signal_all(processes, signal.SIGKILL)
        running.start()
        queue = running.get("/api/v1/queue/", token=token).json()
        assert [one["subject"] for one in queue["paused"]] == [DETECT]
        assert queue["stages"]["uploaded"]["ready"] == 1
        assert running.request("DELETE", address, token=token).status == 204
        assert running.finished(photo, token=token)["stage"] == "done"
    finally:
        running.stop()
