"""How much waits, and who works on it."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from ledger import backlog, workers
from ledger.models import Worker
from recognition.models import Photo
from tests import make

pytestmark = pytest.mark.django_db


def test_the_state_counts_ready_leased_and_waiting_rows_per_stage() -> None:
    now = timezone.now()
    make.photo(stage="uploaded", created_at=now - timedelta(seconds=50))
    make.photo(stage="uploaded", lease_until=now + timedelta(seconds=60))
    make.photo(stage="uploaded", lease_until=now - timedelta(seconds=60))
    make.photo(stage="uploaded", next_try_at=now + timedelta(seconds=60))
    make.photo(stage="failed", finished_at=now)
    state = backlog.state(Photo)
    uploaded = state["stages"]["uploaded"]
    assert (uploaded["ready"], uploaded["leased"], uploaded["waiting"]) == (2, 1, 1)
    assert uploaded["oldest_seconds"] == pytest.approx(50, abs=5)
    assert state["stages"]["detected"] == {
        "ready": 0,
        "leased": 0,
        "waiting": 0,
        "oldest_seconds": 0,
    }
    assert state["failed"] == 1


def test_the_time_to_empty_follows_from_the_rate_of_the_last_minute() -> None:
    for _ in range(6):
        make.photo(finished_at=timezone.now())
    make.photo(finished_at=timezone.now() - timedelta(minutes=5))
    assert backlog.state(Photo)["eta_seconds"] == 0
    for _ in range(3):
        make.photo(stage="uploaded")
    state = backlog.state(Photo)
    assert (state["done_per_minute"], state["eta_seconds"]) == (6, 30)


def test_without_a_rate_the_time_to_empty_is_unknown() -> None:
    make.photo(stage="uploaded")
    assert backlog.state(Photo)["eta_seconds"] is None


@pytest.mark.django_db(transaction=True)
def test_a_worker_reports_itself_and_takes_its_leave() -> None:
    beat = workers.Heartbeat(engine="dlib", queues=["detect", "deliver"])
    beat.doing = "detect_faces 1"
    beat.start()
    (worker,) = workers.alive()
    assert worker["name"] == beat.name == str(Worker.objects.get())
    assert worker["doing"] == "detect_faces 1"
    assert worker["seen_seconds_ago"] < 5
    assert (worker["pid"], worker["engine"]) == (os.getpid(), "dlib")
    assert worker["host"] in worker["name"]
    assert worker["queues"] == ["detect", "deliver"]
    assert worker["memory_bytes"] > 10_000_000
    assert workers.untaken() == ["recognise"]
    beat.stop()
    assert workers.alive() == []


def test_a_worker_that_is_silent_counts_as_gone_and_is_forgotten() -> None:
    now = timezone.now()
    for name, age in (("old", 7200), ("late", workers.GONE_SECONDS + 5)):
        Worker.objects.create(
            name=name, engine="dlib", started_at=now, seen_at=now - timedelta(seconds=age)
        )
    assert workers.alive() == []
    assert workers.forget_the_gone() == 1
    assert Worker.objects.get().name == "late"
