"""The state of the queue."""

from datetime import timedelta

from django.utils import timezone
from rest_framework.test import APIClient

from ledger.models import Worker
from tests import make
from tests.api.conftest import picture, problem

URL = "/api/v1/queue/"


def test_shows_stages_rate_and_workers(operator: APIClient) -> None:
    now = timezone.now()
    make.photo(stage="uploaded", created_at=now - timedelta(seconds=30))
    make.photo(stage="uploaded", lease_until=now + timedelta(seconds=60))
    make.photo(stage="detected", next_try_at=now + timedelta(seconds=60))
    make.photo(stage="failed")
    make.photo(finished_at=now)
    Worker.objects.create(name="w-1", engine="dlib", started_at=now, seen_at=now, doing="")
    Worker.objects.create(
        name="w-gone", engine="dlib", started_at=now, seen_at=now - timedelta(minutes=5)
    )
    body = operator.get(URL).json()
    assert set(body) == {
        *("stages", "failed", "done_per_minute", "eta_seconds", "workers", "capacity", "paused"),
    }
    assert body["paused"] == []
    assert set(body["stages"]) == {"uploaded", "detected"}
    uploaded, detected = body["stages"]["uploaded"], body["stages"]["detected"]
    assert (uploaded["ready"], uploaded["leased"], uploaded["waiting"]) == (1, 1, 0)
    assert 30 <= uploaded["oldest_seconds"] < 60
    assert (detected["ready"], detected["leased"], detected["waiting"]) == (0, 0, 1)
    assert (body["failed"], body["done_per_minute"], body["eta_seconds"]) == (1, 1, 180)
    (worker,) = body["workers"]
    assert (worker["name"], worker["doing"]) == ("w-1", "")
    assert 0 <= worker["seen_seconds_ago"] < 10


def test_needs_the_permission(uploader: APIClient) -> None:
    problem(uploader.get(URL), 403, "permission_denied")
    assert uploader.head(URL).status_code == 403


PAUSE = f"{URL}pauses/photo:uploaded/"


def test_pausing_is_told_once_and_again(manager: APIClient) -> None:
    first = manager.put(PAUSE, {"reason": "New disk"}, format="json")
    assert first.status_code == 201
    body = first.json()
    assert set(body) == {"subject", "name", "paused_at", "paused_by", "reason"}
    assert (body["subject"], body["paused_by"], body["reason"]) == (
        "photo:uploaded",
        "manager",
        "New disk",
    )
    again = manager.put(PAUSE, {"reason": "Another"}, format="json")
    assert (again.status_code, again.json()) == (200, body)
    assert manager.get(URL).json()["paused"] == [body]


def test_resuming_twice_is_once(manager: APIClient) -> None:
    manager.put(PAUSE)
    for _ in range(2):
        answer = manager.delete(PAUSE)
        assert (answer.status_code, answer.content) == (204, b"")
    assert manager.get(URL).json()["paused"] == []


def test_what_cannot_be_paused_is_not_found(manager: APIClient) -> None:
    for subject in ("photo:done", "photos", "worker:x"):
        problem(manager.put(f"{URL}pauses/{subject}/"), 404, "not_found")
        problem(manager.delete(f"{URL}pauses/{subject}/"), 404, "not_found")


def test_a_reason_has_its_length(manager: APIClient) -> None:
    problem(manager.put(PAUSE, {"reason": "x" * 201}, format="json"), 400, "validation")


def test_operators_see_what_is_paused_and_may_not_pause(
    operator: APIClient, manager: APIClient
) -> None:
    problem(operator.put(PAUSE), 403, "permission_denied")
    manager.put(PAUSE)
    problem(operator.delete(PAUSE), 403, "permission_denied")
    assert len(operator.get(URL).json()["paused"]) == 1


def test_uploads_are_answered_that_intake_is_paused(
    manager: APIClient, uploader: APIClient
) -> None:
    manager.put(f"{URL}pauses/intake/", {"reason": "Moving house"}, format="json")
    answer = uploader.post("/api/v1/photos/", {"image": picture()}, format="multipart")
    body = problem(answer, 503, "paused")
    assert "Moving house" in body["detail"]
    assert 60 <= int(answer["Retry-After"]) <= 75
    manager.delete(f"{URL}pauses/intake/")
    answer = uploader.post("/api/v1/photos/", {"image": picture()}, format="multipart")
    assert answer.status_code == 202


def test_nobody_waits_for_a_search_while_searches_are_paused(manager: APIClient) -> None:
    manager.put(f"{URL}pauses/search:asked/")
    answer = manager.post("/api/v1/search/", {"image": picture()}, format="multipart")
    problem(answer, 503, "paused")
