"""Alive, and ready."""

import sqlite3
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from facewatch import health
from ledger.models import Worker


def worker(**fields: Any) -> None:
    now = timezone.now()
    Worker.objects.create(name="w", engine="dlib", started_at=now, seen_at=now, **fields)


def test_the_process_answers_without_the_database() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


def test_is_ready_with_every_part_there(db: None) -> None:
    worker()
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    names = ("database", "broker", "storage", "migrations", "worker")
    assert answer.json() == {"status": "ready", "checks": dict.fromkeys(names, "ok")}


def test_is_not_ready_without_a_worker(db: None) -> None:
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert [name for name, outcome in checks.items() if outcome != "ok"] == ["worker"]


def test_names_the_work_that_no_worker_takes(db: None) -> None:
    worker(queues="detect,recognise")
    told = Client().get("/readyz").json()["checks"]["worker"]
    assert told == "no worker takes deliver; what there is to do waits"


def test_names_missing_migrations(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'alerts'")
    assert "migrate" in Client().get("/readyz").json()["checks"]["migrations"]


def test_a_failing_part_is_named_without_its_secrets() -> None:
    def check() -> None:
        raise sqlite3.OperationalError("password=hunter2")

    assert health._outcome(check) == "failed: OperationalError"


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_is_only_read(db: None, path: str) -> None:
    answer: Any = Client().post(path)
    assert answer.status_code == 405
