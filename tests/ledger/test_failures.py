"""Failures are told by reason, from an index of nothing else, and tried again many at once."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Delivery, Digest
from ledger import controls, failures, leases, queues
from ledger.exhibits import EXHIBITS
from recognition.models import Photo
from tests import make
from tests.databases import only_sqlite

pytestmark = pytest.mark.django_db

PHOTOS, DELIVERIES, DIGESTS = EXHIBITS["photo"], EXHIBITS["delivery"], EXHIBITS["digest"]


def failed(code: str = "no_face", *, minutes: int = 1, **fields: Any) -> Photo:
    finished_at = timezone.now() - timedelta(minutes=minutes)
    fields = {"failed_stage": "uploaded", "error_detail": f"{code}, {minutes} ago"} | fields
    return make.photo(stage="failed", error_code=code, finished_at=finished_at, **fields)


def apply(rows: Any) -> int:
    assert PHOTOS.remedy is not None
    return PHOTOS.remedy.apply(rows)


def outgoing(model: Any, *, stage: str, code: str = "", **fields: Any) -> Any:
    return model.objects.create(
        stage=stage, error_code=code, finished_at=timezone.now(), mode="instant", **fields
    )


def delivery(*, stage: str = "unknown", code: str = "no_answer", digest: Any = None) -> Any:
    watchlist = make.watchlist(f"list {Delivery.objects.count()}")
    alert = make.alert(watchlist=watchlist, person=make.person())
    subscription = make.subscription(watchlist)
    return outgoing(
        Delivery,
        stage=stage,
        code=code,
        digest=digest,
        alert=alert,
        subscription=subscription,
        target=subscription.target,
        channel="email",
    )


def digest(*, stage: str = "failed") -> Any:
    now = timezone.now()
    return outgoing(
        Digest,
        stage=stage,
        code="smtp_550",
        recipient=f"{Digest.objects.count()}@example.org",
        window_start=now,
        window_end=now,
    )


def test_failures_are_told_by_reason_the_newest_first_with_what_the_newest_says() -> None:
    failed("no_face", minutes=5)
    failed("worker_died", minutes=3)
    failed("no_face", minutes=1)
    delivery()
    told = [(one.exhibit.key, one.stage, one.code, one.count) for one in failures.reasons()]
    assert told == [
        ("photo", "failed", "no_face", 2),
        ("photo", "failed", "worker_died", 1),
        ("delivery", "unknown", "no_answer", 1),
    ]
    first = failures.reasons()[0]
    assert first.detail == "no_face, 1 ago"
    assert [row.error_detail for row in first.examples] == ["no_face, 1 ago", "no_face, 5 ago"]


@pytest.mark.parametrize("count", [1, 40])
def test_reasons_cost_the_same_however_many_failed(
    count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        failed(minutes=number)
        failed("worker_died", minutes=number)
    # Photos, and of these the examples; archives, looks back, deliveries, digests.
    with django_assert_num_queries(6):
        found = failures.reasons()
    assert [one.count for one in found] == [count, count]
    assert all(len(one.examples) == min(count, failures.MOST_EXAMPLES) for one in found)


@only_sqlite
def test_failures_are_found_by_an_index_of_failures() -> None:
    for exhibit, index in (
        (PHOTOS, "photo_failed"),
        (DELIVERIES, "delivery_not_told"),
        (DIGESTS, "digest_not_told"),
    ):
        rows = failures.of_reason(exhibit, stage="failed", code="x").order_by("-finished_at")
        assert index in rows.explain()
        grouped = failures._bad(exhibit).order_by().values("stage", "error_code").distinct()
        assert index in grouped.explain()


def test_all_of_a_reason_are_tried_again_by_one_statement(django_assert_num_queries: Any) -> None:
    wanted = [failed() for _ in range(5)]
    other = failed("worker_died")
    with django_assert_num_queries(1):
        assert apply(failures.of_reason(PHOTOS, stage="failed", code="no_face")) == 5
    other.refresh_from_db()
    assert other.stage == "failed"
    for photo in wanted:
        photo.refresh_from_db()
        assert (photo.stage, photo.attempts, photo.error_code) == ("uploaded", 0, "")
        assert photo.finished_at is None
    assert apply(failures.of_reason(PHOTOS, stage="failed", code="no_face")) == 0


def test_each_row_goes_back_to_the_stage_in_which_it_failed() -> None:
    rows = [failed(failed_stage=stage) for stage in ("uploaded", "detected")]
    assert leases.retry_all(Photo.objects.all()) == 2
    for photo in rows:
        photo.refresh_from_db()
    assert [photo.stage for photo in rows] == ["uploaded", "detected"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_queue")
def test_of_many_that_are_tried_again_some_are_woken_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(controls, "MOST_WOKEN", 3)
    for _ in range(5):
        failed()
    leases.retry_all(Photo.objects.all())
    controls.wake_model(Photo)
    assert queues.length() == 3


def test_what_may_have_arrived_is_sent_again_only_when_asked_for() -> None:
    rows = [delivery(stage=stage) for stage in ("unknown", "failed", "sent")]
    assert DELIVERIES.remedy is not None
    assert DELIVERIES.remedy.apply(DELIVERIES.rows()) == 2
    for row in rows:
        row.refresh_from_db()
    assert [row.stage for row in rows] == ["pending", "pending", "sent"]


def test_digests_sent_again_take_along_the_deliveries_of_their_fate() -> None:
    first, second = digest(stage="failed"), digest(stage="unknown")
    along = [delivery(stage="failed", digest=first), delivery(stage="unknown", digest=second)]
    stays = delivery(stage="dropped", digest=first)
    assert DIGESTS.remedy is not None
    assert DIGESTS.remedy.apply(Digest.objects.all()) == 2
    for row in (*along, stays, first, second):
        row.refresh_from_db()
    assert [row.stage for row in along] == ["batched", "batched"]
    assert (stays.stage, first.stage, second.stage) == ("dropped", "pending", "pending")
    assert (first.lease_token, first.error_code) == (None, "")


def test_a_delivery_of_a_digest_is_told_with_its_digest_and_not_by_itself() -> None:
    delivery(stage="failed", digest=digest())
    assert [one.exhibit.key for one in failures.reasons()] == ["digest"]


def test_what_is_no_id_is_passed_over() -> None:
    photo = failed()
    assert PHOTOS.ids(["1", "", str(photo.pk), "x' OR 1"]) == [photo.pk]
