"""An operator's verdict never overwrites another's."""

import pytest
from django.db import IntegrityError

from alerts import review
from alerts.models import Alert
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def alert() -> Alert:
    ada = make.person()
    return make.alert(watchlist=make.watchlist(people=(ada,)), person=ada)


def test_a_verdict_is_stored_with_who_when_and_why(alert: Alert) -> None:
    operator = make.user(role="operator")
    review.decide(alert, status="dismissed", reason="A look-alike.", by=operator, version=1)
    assert (alert.status, alert.reason, alert.reviewed_by) == (
        "dismissed",
        "A look-alike.",
        operator,
    )
    assert alert.reviewed_at is not None


def test_a_verdict_gives_the_alert_a_new_etag(alert: Alert) -> None:
    before = alert.etag
    review.decide(alert, status="confirmed", by=make.user(), version=1)
    assert alert.etag != before


def test_the_second_of_two_verdicts_on_one_version_is_refused(alert: Alert) -> None:
    review.decide(alert, status="confirmed", by=make.user("uma"), version=1)
    with pytest.raises(review.StaleAlert):
        review.decide(alert, status="dismissed", by=make.user("ugo"), version=1)
    alert.refresh_from_db()
    assert alert.status == "confirmed"


def test_a_verdict_can_be_taken_back(alert: Alert) -> None:
    operator = make.user()
    review.decide(alert, status="confirmed", by=operator, version=1)
    review.decide(alert, status="open", by=operator, version=2)
    assert (alert.status, alert.reviewed_by, alert.reviewed_at) == ("open", None, None)


def test_what_cannot_be_told_is_reviewed_and_no_longer_open(alert: Alert) -> None:
    review.decide(alert, status="unsure", by=make.user(), version=1)
    assert (alert.status, alert.is_blind) == ("unsure", False)
    assert alert.reviewed_at is not None


def test_the_database_refuses_an_unsure_alert_that_nobody_reviewed(alert: Alert) -> None:
    with pytest.raises(IntegrityError):
        Alert.objects.update(status="unsure")
