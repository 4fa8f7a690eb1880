"""The order of the review: the oldest first, stable while others decide."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import waiting
from alerts.models import Alert
from tests import make, plans
from tests.databases import only_sqlite

pytestmark = pytest.mark.django_db

START = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def alerts() -> list[Alert]:
    """Five open alerts in their order; the middle three are of one moment."""
    person, watchlist = make.person(), make.watchlist()
    made = [make.alert(watchlist=watchlist, person=person) for _ in range(5)]
    for row, minute in zip(made, (0, 1, 1, 1, 2), strict=True):
        Alert.objects.filter(pk=row.pk).update(created_at=START + timedelta(minutes=minute))
    return list(Alert.objects.order_by("created_at", "id"))


def close(*alerts: Alert) -> None:
    keys = [alert.pk for alert in alerts]
    Alert.objects.filter(pk__in=keys).update(status="confirmed", reviewed_at=START)


def test_each_comes_once_round_and_back(alerts: list[Alert]) -> None:
    assert [waiting.after(alert) for alert in alerts] == [*alerts[1:], alerts[0]]
    assert [waiting.before(alert) for alert in alerts] == [None, *alerts[:-1]]


def test_what_was_decided_is_passed_over(alerts: list[Alert]) -> None:
    close(alerts[1], alerts[2])
    assert waiting.after(alerts[0]) == waiting.after(alerts[1]) == alerts[3]
    assert waiting.before(alerts[3]) == waiting.before(alerts[2]) == alerts[0]


def test_where_one_left_off_is_where_one_goes_on(alerts: list[Alert]) -> None:
    assert waiting.to_review(None) == alerts[0]
    assert waiting.to_review(str(alerts[3].pk)) == alerts[3]
    close(alerts[3])
    assert waiting.to_review(str(alerts[3].pk)) == alerts[4]
    Alert.objects.filter(pk=alerts[3].pk).delete()
    assert waiting.to_review(str(alerts[3].pk)) == alerts[0]


def test_the_last_one_has_no_other(alerts: list[Alert]) -> None:
    close(*alerts[1:])
    assert waiting.after(alerts[0]) is None
    close(alerts[0])
    assert waiting.to_review(alerts[0].pk) is None


def test_the_position_counts_what_is_open(alerts: list[Alert]) -> None:
    close(alerts[0])
    assert waiting.position(alerts[4]) == waiting.Position(number=4, total=4)


@only_sqlite
def test_the_next_one_and_the_counts_come_from_an_index(alerts: list[Alert]) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        waiting.after(alerts[0])
        waiting.before(alerts[4])
        waiting.position(alerts[2])
    for query in asked.captured_queries:
        plan = " ".join(plans.steps(query["sql"]))
        assert "alert_by_status" in plan, plan
        assert "SCAN" not in plan, plan
