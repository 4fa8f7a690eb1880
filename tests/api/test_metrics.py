"""What monitors read: the same figures as GET queue/, in the format of Prometheus."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from alerts.models import Delivery
from ledger import failures, kinds, pauses, queues
from ledger.models import Served, Worker
from recognition import admission, tasks
from recognition.models import Photo
from tests import make, programs
from tests.api.conftest import problem

URL, QUEUE = "/metrics", "/api/v1/queue/"
OPERATIONS = Path(django_settings.BASE_DIR) / "docs" / "operations.md"

pytestmark = pytest.mark.django_db


def families(answer: Any) -> dict[str, Metric]:
    """The metrics of an answer by name, as the library's own parser reads them."""
    assert answer.status_code == 200, answer.content
    found = list(text_string_to_metric_families(answer.content.decode()))
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


class Figures:
    """The samples of one look at the metrics."""

    def __init__(self, client: Any) -> None:
        self.families = families(client.get(URL))

    def of(self, name: str, **labels: str) -> float | None:
        """The value of a sample; None if there is none."""
        samples = self.families[f"facewatch_{name}"].samples
        values = [one.value for one in samples if one.labels == labels]
        assert len(values) < 2
        return values[0] if values else None


def worker(name: str, *, seen_at: datetime, **fields: Any) -> Worker:
    return Worker.objects.create(
        name=name, engine="opencv", started_at=seen_at, seen_at=seen_at, **fields
    )


def busy_site(now: datetime) -> None:
    """Photos in every state, with workers and what they were busy with."""
    for seconds in range(3):
        make.photo(stage="uploaded", created_at=now - timedelta(seconds=30 + seconds))
    make.photo(stage="uploaded", lease_until=now + timedelta(seconds=60))
    make.photo(stage="detected", next_try_at=now + timedelta(seconds=60))
    make.photo(stage="failed", finished_at=now - timedelta(hours=1))
    make.photo(finished_at=now)
    make.photo(finished_at=now - timedelta(seconds=100))
    worker("host-1", seen_at=now - timedelta(seconds=2), memory_bytes=131_000_000)
    worker("host-2", seen_at=now, queues="deliver")
    worker("host-gone", seen_at=now - timedelta(minutes=5))
    Served.objects.create(queue="detect", starts_at=now.replace(second=0), seconds=30.0)


def test_the_figures_are_those_of_the_queue(operator: APIClient, manager: APIClient) -> None:
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        busy_site(now)
        manager.put(f"{QUEUE}pauses/photo:detected/", {"reason": "New disk"}, format="json")
        body, figures = operator.get(QUEUE).json(), Figures(operator)
    assert body["stages"]["uploaded"] == {
        "ready": 3,
        "leased": 1,
        "waiting": 0,
        "oldest_seconds": 32.0,
    }
    for stage, counts in body["stages"].items():
        labels = {"model": "photo", "stage": stage}
        assert figures.of("rows_oldest_age_seconds", **labels) == counts.pop("oldest_seconds")
        for state, count in counts.items():
            assert figures.of("rows", **labels, state=state) == count
    assert figures.of("rows_failed", model="photo", stage="failed") == body["failed"] == 1
    assert figures.of("rows_finished_last_minute", model="photo") == body["done_per_minute"] == 1
    assert figures.of("rows_empty_seconds", model="photo") == body["eta_seconds"] == 300
    assert body["capacity"][0]["workers_needed"]
    for one in body["capacity"]:
        queue = one["queue"]
        for name, field in {
            "backlog_rows": "backlog",
            "arrivals_per_second": "arrivals_per_second",
            "finished_per_second": "done_per_second",
            "service_seconds": "service_seconds",
            "workers": "workers",
            "workers_needed": "workers_needed",
            "wait_seconds": "wait_seconds",
            "empty_seconds": "empty_seconds",
        }.items():
            assert figures.of(f"queue_{name}", queue=queue) == one[field], (queue, name)
    for one in body["workers"]:
        age = figures.of("worker_heartbeat_age_seconds", worker=one["name"])
        assert age == one["seen_seconds_ago"]
        memory = figures.of("worker_memory_bytes", worker=one["name"])
        assert memory == one["memory_bytes"]
    assert len(figures.families["facewatch_worker_heartbeat_age_seconds"].samples) == 2
    stopped = {one["subject"] for one in body["paused"]}
    assert stopped == {"photo:detected"}
    for subject in pauses.NAMES:
        assert figures.of("paused", subject=subject) == (subject in stopped)


def test_every_kind_of_work_is_counted(operator: APIClient) -> None:
    for stage in ("pending", "unknown"):
        watchlist = make.watchlist(stage)
        Delivery.objects.create(
            alert=make.alert(watchlist=watchlist, person=make.person()),
            subscription=make.subscription(watchlist),
            stage=stage,
            mode="instant",
            channel="email",
            target="ops@example.org",
        )
    figures = Figures(operator)
    assert figures.of("rows", model="delivery", stage="pending", state="ready") == 1
    assert figures.of("rows_failed", model="delivery", stage="unknown") == 1
    assert figures.of("rows_failed", model="delivery", stage="failed") == 0
    for kind in kinds.KINDS:
        labels = {"model": str(kind.model._meta.model_name), "stage": str(kind.stage)}
        for state in ("ready", "leased", "waiting"):
            assert figures.of("rows", **labels, state=state) is not None


def test_what_nobody_knows_has_no_sample(operator: APIClient) -> None:
    make.photo(stage="uploaded")
    worker("host-1", seen_at=timezone.now())
    figures = Figures(operator)
    assert figures.of("queue_backlog_rows", queue="detect") == 1
    for name in ("queue_service_seconds", "queue_workers_needed", "queue_wait_seconds"):
        assert figures.of(name, queue="detect") is None
    assert figures.of("rows_empty_seconds", model="photo") is None
    assert figures.of("worker_memory_bytes", worker="host-1") is None


@pytest.mark.usefixtures("empty_queue")
@pytest.mark.django_db(transaction=True)
def test_the_messages_in_the_broker_are_counted_by_queue(operator: APIClient) -> None:
    for stage in ("uploaded", "uploaded", "detected"):
        tasks.wake_photo(make.photo(stage=stage))
    figures = Figures(operator)
    assert figures.of("broker_up") == 1
    found = {name: figures.of("queue_messages", queue=name) for name in queues.NAMES}
    assert found == queues.lengths() == {"detect": 2, "recognise": 1, "deliver": 0}


def test_a_closed_intake_is_told_with_the_room_on_the_disk(
    operator: APIClient, manager: APIClient, settings: Settings
) -> None:
    figures = Figures(operator)
    assert (figures.of("storage_up"), figures.of("intake_open")) == (1, 1)
    assert (figures.of("storage_free_bytes") or 0) > 1_000_000
    manager.put(f"{QUEUE}pauses/intake/")
    assert Figures(operator).of("intake_open") == 0
    manager.delete(f"{QUEUE}pauses/intake/")
    settings.MAX_BACKLOG = 2
    for _ in range(2):
        make.photo(stage="uploaded")
    assert admission.refusal() == "backlog_full"
    assert Figures(operator).of("intake_open") == 0
    Photo.objects.all().delete()
    assert Figures(operator).of("intake_open") == 1
    settings.MIN_FREE_BYTES = 10**18
    assert admission.refusal() == "disk_full"
    assert Figures(operator).of("intake_open") == 0
    settings.MIN_FREE_BYTES = 0
    assert Figures(operator).of("intake_open") == 1


def test_labels_are_few_and_name_neither_people_nor_rows(
    operator: APIClient, manager: APIClient
) -> None:
    now = timezone.now()
    owner = make.user("somebody", role="uploader")
    person = make.person("Ada Example")
    photo = make.photo(
        stage="uploaded", owner=owner, person=person, purpose="enrolment", source="lobby"
    )
    worker("host-1", seen_at=now, doing=f"detect_faces {photo.pk}")
    manager.put(f"{QUEUE}pauses/photo:uploaded/", {"reason": "New disk"}, format="json")
    answer = operator.get(URL)
    text = answer.content.decode()
    for secret in (str(photo.pk), str(photo.pk)[:8], "somebody", "Ada", "lobby", "New disk"):
        assert secret not in text
    stages = {(str(kind.model._meta.model_name), str(kind.stage)) for kind in kinds.KINDS}
    known: dict[tuple[str, ...], Any] = {
        ("model",): {(model,) for model, _ in stages},
        ("model", "stage"): stages | set(failures.counts()),
        ("model", "stage", "state"): {
            (*stage, state) for stage, state in product(stages, ("ready", "leased", "waiting"))
        },
        ("queue",): {(name,) for name in queues.NAMES},
        ("subject",): {(subject,) for subject in pauses.NAMES},
        ("worker",): {("host-1",)},
        (): {()},
    }
    for family in families(answer).values():
        for sample in family.samples:
            names = tuple(sorted(sample.labels))
            assert tuple(sample.labels[name] for name in names) in known[names], sample


def test_names_follow_the_rules_of_prometheus(operator: APIClient) -> None:
    for name, family in families(operator.get(URL)).items():
        assert re.fullmatch(r"facewatch_[a-z_]*[a-z]", name)
        assert family.type == "gauge"
        assert family.documentation.endswith(".")
        # Only counters end so, and base units alone are used.
        assert not name.endswith(("_total", "_count", "_milliseconds", "_percent", "_mb"))


def test_the_table_in_the_documentation_is_what_is_served(operator: APIClient) -> None:
    busy_site(timezone.now())
    served = {
        name: (
            " ".join(sorted({label for one in family.samples for label in one.labels})),
            family.documentation.rstrip("."),
        )
        for name, family in families(operator.get(URL)).items()
    }
    rows = re.findall(
        r"^\| `(facewatch_\w+)` \| (.*)\| (.+) \|$", OPERATIONS.read_text(), re.MULTILINE
    )
    documented = {
        name: (" ".join(sorted(re.findall(r"\w+", labels))), text) for name, labels, text in rows
    }
    assert len(rows) == len(documented)
    assert documented == served


def test_rules_and_recipes_use_metrics_that_there_are(operator: APIClient) -> None:
    served = families(operator.get(URL)).keys()
    used = set(re.findall(r"\bfacewatch_[a-z_]+(?![a-z_…])", OPERATIONS.read_text()))
    assert used <= served
    assert {"facewatch_queue_workers_needed", "facewatch_rows_failed"} <= used


def test_it_is_text_that_no_cache_keeps(operator: APIClient) -> None:
    answer = operator.get(URL)
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert answer.content.endswith(b"\n")
    asked = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"
    again = operator.get(URL, headers={"Accept": asked})
    assert again["Content-Type"] == answer["Content-Type"]
    names = [line for line in answer.content.decode().splitlines() if line.startswith("# HELP")]
    types = [line for line in answer.content.decode().splitlines() if line.startswith("# TYPE")]
    assert [line.split()[2] for line in names] == [line.split()[2] for line in types]


def test_head_is_answered_without_a_body_and_other_methods_not_at_all(
    operator: APIClient,
) -> None:
    head = operator.head(URL)
    assert (head.status_code, head.content) == (200, b"")
    assert head["Content-Type"].startswith("text/plain")
    for method in (operator.post, operator.put, operator.patch, operator.delete):
        problem(method(URL), 405, "method_not_allowed")


@pytest.mark.parametrize("url", [URL, QUEUE])
def test_who_may_not_see_the_queue_gets_a_problem(url: str, uploader: APIClient) -> None:
    problem(APIClient().get(url), 401, "not_authenticated")
    forged = {"Authorization": "Token forged"}
    problem(APIClient().get(url, headers=forged), 401, "authentication_failed")
    problem(uploader.get(url), 403, "permission_denied")
    assert uploader.head(url).status_code == 403


def test_the_permission_alone_is_enough_and_a_session_as_good_as_a_token(
    client: Client, client_of: Callable[..., APIClient]
) -> None:
    monitor = client_of("", "monitor")
    problem(monitor.get(URL), 403, "permission_denied")
    user = make.user("watcher")
    user.user_permissions.add(make.permission("view_worker"))
    client.force_login(user)
    assert client.get(URL).status_code == 200


def test_monitors_may_ask_the_process_itself_past_the_proxy(
    operator: APIClient, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert operator.get(QUEUE).status_code == 301
    assert operator.get(URL).status_code == 200


def test_the_number_of_queries_does_not_depend_on_the_rows(
    operator: APIClient, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(3):
        busy_site(timezone.now())
        Worker.objects.all().delete()
        Served.objects.all().delete()
        cache.clear()
        with django_assert_num_queries(62):
            operator.get(URL)
        # How busy the queues are is kept for 10 s.
        with django_assert_num_queries(32):
            operator.get(URL)


ASK = """
import django
django.setup()
from django.test import Client
headers = {"Authorization": "Token " + 64 * "a", "Host": "localhost"}
client = Client(headers=headers, raise_request_exception=False)
for path in ("/api/v1/queue/", "/metrics"):
    answer = client.get(path)
    print(answer.status_code, answer["Content-Type"], answer.json()["code"], answer["Retry-After"])
"""


def test_a_database_that_is_away_is_said_as_by_the_queue(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/missing/db.sqlite3"
    told = programs.printed(ASK, FACEWATCH_DATA_DIR=str(tmp_path), DATABASE_URL=address)
    found = told.splitlines()
    assert [line.split()[:3] for line in found] == [
        ["503", "application/problem+json", "database_unavailable"]
    ] * 2
    assert all(int(line.split()[3]) >= 5 for line in found)
