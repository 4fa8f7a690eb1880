"""The state of the queue."""

from datetime import timedelta

from django.utils import timezone
from rest_framework.test import APIClient

from ledger.models import Worker
from tests import make
from tests.api.conftest import problem

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
    assert set(body) == {"stages", "failed", "done_per_minute", "eta_seconds", "workers"}
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
