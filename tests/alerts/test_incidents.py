"""Which sightings are one alert, what is told of it, and when it ends."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from alerts import deliveries, escalation, incidents, review, watch
from alerts.channels import Notice, letters
from alerts.models import NOT_THIS_PERSON, Alert, Appearance, Delivery, Event, WatchList
from recognition.models import Person, Photo
from tests import make, plans
from tests.databases import only_sqlite
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that is moved by hand."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def lobby(ada: Person) -> WatchList:
    made = make.watchlist("Lobby", people=(ada,), cooldown_seconds=60)
    make.subscription(made)
    return made


def seen(person: Person, *, after: float = 0, source: str = "gate", **fields: Any) -> Photo:
    """A photo of the person so many seconds after noon."""
    at = NOON + timedelta(seconds=after)
    photo = make.photo(source=source, captured_at=at, created_at=at)
    facts: dict[str, Any] = {"distance": 0.4, "seen_at": at} | fields
    return make.sighting(person=person, face=make.face(photo=photo), **facts).photo


def kinds() -> list[str]:
    """The events, in their order."""
    return list(Event.objects.values_list("kind", flat=True))


def test_a_burst_is_one_alert_with_its_count_its_ends_and_its_best_picture(
    ada: Person, lobby: WatchList, clock: time_machine.Traveller
) -> None:
    told = []
    for second, distance in ((0, 0.4), (50, 0.3), (100, 0.45)):
        told += watch.raise_alerts(seen(ada, after=second, distance=distance).pk)
    alert = Alert.objects.get()
    assert (alert.count, len(told)) == (3, 1)
    assert alert.first_seen_at == NOON
    assert alert.last_seen_at == NOON + timedelta(seconds=100)
    assert alert.best_face == Appearance.objects.get(distance=0.3).face
    assert alert.face == Appearance.objects.get(seen_at=NOON).face


def test_what_comes_in_out_of_order_is_still_one_alert(ada: Person, lobby: WatchList) -> None:
    for second in (50, 0, 100):
        watch.raise_alerts(seen(ada, after=second).pk)
    alert = Alert.objects.get()
    assert alert.first_seen_at == NOON
    assert alert.last_seen_at == NOON + timedelta(seconds=100)


@pytest.mark.parametrize(
    "second", [{"after": 61}, {"after": 10, "source": "dock"}], ids=["later", "elsewhere"]
)
def test_later_or_elsewhere_is_another_alert(
    ada: Person, lobby: WatchList, second: dict[str, Any]
) -> None:
    watch.raise_alerts(seen(ada).pk)
    watch.raise_alerts(seen(ada, **second).pk)
    assert Alert.objects.count() == 2


def test_a_sighting_within_the_cooldown_joins_no_alert_that_was_about_somebody_else(
    ada: Person, lobby: WatchList
) -> None:
    watch.raise_alerts(seen(ada).pk)
    alert = Alert.objects.get()
    review.decide(alert, status="dismissed", reason=NOT_THIS_PERSON, by=make.user(), version=1)
    assert len(watch.raise_alerts(seen(ada, after=10, distance=0.1).pk)) == 1


def test_a_sighting_within_the_cooldown_joins_what_was_dismissed_for_another_reason(
    ada: Person, lobby: WatchList
) -> None:
    watch.raise_alerts(seen(ada).pk)
    review.decide(Alert.objects.get(), status="dismissed", by=make.user(), version=1)
    assert watch.raise_alerts(seen(ada, after=10).pk) == []
    assert Alert.objects.get().count == 2


def test_without_a_cooldown_each_photo_is_an_alert(ada: Person, lobby: WatchList) -> None:
    WatchList.objects.update(cooldown_seconds=0)
    watch.raise_alerts(seen(ada).pk)
    watch.raise_alerts(seen(ada).pk)
    assert Alert.objects.count() == 2


def test_a_photo_that_is_heard_of_twice_is_counted_once(ada: Person, lobby: WatchList) -> None:
    watch.raise_alerts(seen(ada).pk)
    second = seen(ada, after=10)
    watch.raise_alerts(second.pk)
    watch.raise_alerts(second.pk)
    assert Alert.objects.get().count == 2


def test_the_database_refuses_a_second_appearance_of_a_face(ada: Person, lobby: WatchList) -> None:
    watch.raise_alerts(seen(ada).pk)
    first = Appearance.objects.get()
    other = make.alert(watchlist=lobby, person=ada)
    copy = {"watchlist": lobby, "person": ada, "face": first.face, "photo": first.photo}
    with pytest.raises(IntegrityError), transaction.atomic():
        Appearance.objects.create(alert=other, seen_at=NOON, **copy)


def test_who_was_told_of_one_sighting_is_told_of_all_when_it_ends(
    ada: Person, lobby: WatchList, clock: time_machine.Traveller
) -> None:
    watch.raise_alerts(seen(ada).pk)
    Delivery.objects.update(stage="sent", told_status="open", told_count=1)
    watch.raise_alerts(seen(ada, after=10).pk)
    clock.shift(timedelta(seconds=59))
    assert incidents.end_due(datetime.now(UTC)) == []
    clock.shift(timedelta(seconds=1))
    (told,) = incidents.end_due(datetime.now(UTC))
    assert (told.kind, told.stage) == ("ended", "pending")
    assert incidents.end_due(datetime.now(UTC)) == []
    assert kinds() == ["raised", "ended"]


def test_an_alert_of_one_sighting_ends_without_a_word(
    ada: Person, lobby: WatchList, clock: time_machine.Traveller
) -> None:
    watch.raise_alerts(seen(ada).pk)
    Delivery.objects.update(stage="sent", told_status="open", told_count=1)
    clock.shift(timedelta(minutes=2))
    assert incidents.end_due(datetime.now(UTC)) == []
    assert Alert.objects.get().ended_at == datetime.now(UTC)
    assert kinds() == ["raised", "ended"]


def test_what_is_recognised_only_after_the_end_has_it_go_on_and_end_anew(
    ada: Person, lobby: WatchList, clock: time_machine.Traveller
) -> None:
    watch.raise_alerts(seen(ada).pk)
    Delivery.objects.update(stage="sent", told_status="open", told_count=1)
    clock.shift(timedelta(seconds=70))
    incidents.end_due(datetime.now(UTC))
    watch.raise_alerts(seen(ada, after=50).pk)
    assert Alert.objects.get().ended_at is None
    clock.shift(timedelta(seconds=70))
    (told,) = incidents.end_due(datetime.now(UTC))
    assert told.kind == "ended"
    assert kinds() == ["raised", "ended", "ended"]


@only_sqlite
def test_a_photo_that_comes_by_reads_no_whole_table(
    ada: Person, lobby: WatchList, django_assert_num_queries: Any
) -> None:
    watch.raise_alerts(seen(ada).pk)
    with CaptureQueriesContext(connection) as queries:
        watch.raise_alerts(seen(ada, after=5).pk)
        incidents.end_due(datetime.now(UTC))
    for query in queries:
        if not query["sql"].startswith("SELECT"):
            continue
        plan = " / ".join(plans.steps(query["sql"]))
        # A list table is as long as there are lists.
        scanned = re.findall(r"SCAN (alerts_\w+|recognition_\w+)", plan)
        assert set(scanned) <= {"alerts_watchlist"}, (plan, query["sql"])


def test_what_looking_back_finds_is_told_to_nobody_at_once(ada: Person, lobby: WatchList) -> None:
    assert watch.raise_alerts(seen(ada).pk, historic=True) == []
    assert Alert.objects.get().historic
    assert Delivery.objects.get().stage == "batched"


def test_what_is_seen_now_is_told_also_beside_what_looking_back_found(
    ada: Person, lobby: WatchList
) -> None:
    watch.raise_alerts(seen(ada).pk, historic=True)
    assert len(watch.raise_alerts(seen(ada, after=10).pk)) == 1
    assert Alert.objects.count() == 2


class TestLookAlikes:
    def test_who_may_as_well_be_another_goes_to_review_and_to_nobody_else(
        self, ada: Person, lobby: WatchList
    ) -> None:
        twin = make.person("Eda Example")
        photo = seen(ada, margin=0.01)
        make.sighting(person=twin, face=photo.faces.get(), distance=0.41, rank=2)
        assert watch.raise_alerts(photo.pk) == []
        alert = Alert.objects.get()
        assert (alert.is_ambiguous, alert.rival, alert.status) == (True, twin, "open")
        assert not Delivery.objects.exists()
        assert kinds() == []

    def test_confirming_it_tells_them(self, ada: Person, lobby: WatchList) -> None:
        watch.raise_alerts(seen(ada, margin=0.01).pk)
        alert = Alert.objects.get()
        (told,) = review.decide(alert, status="confirmed", by=make.user(), version=1)
        assert (told.kind, told.stage) == ("raised", "pending")
        assert kinds() == ["raised", "reviewed"]

    def test_a_clear_sighting_within_the_cooldown_tells_them(
        self, ada: Person, lobby: WatchList
    ) -> None:
        watch.raise_alerts(seen(ada, margin=0.01).pk)
        (told,) = watch.raise_alerts(seen(ada, after=5, margin=0.3).pk)
        assert told.kind == "raised"
        assert not Alert.objects.get().is_ambiguous
        assert watch.raise_alerts(seen(ada, after=9, margin=0.01).pk) == []

    def test_a_clear_sighting_found_by_looking_back_tells_nobody(
        self, ada: Person, lobby: WatchList
    ) -> None:
        watch.raise_alerts(seen(ada, margin=0.01).pk)
        assert watch.raise_alerts(seen(ada, after=5, margin=0.3).pk, historic=True) == []
        assert Alert.objects.get().is_ambiguous
        assert not Delivery.objects.exists()

    @pytest.mark.parametrize("status", ["unsure", "dismissed"])
    def test_a_clear_sighting_is_not_swallowed_by_one_that_a_reviewer_set_aside(
        self, ada: Person, lobby: WatchList, status: str
    ) -> None:
        watch.raise_alerts(seen(ada, margin=0.01).pk)
        assert review.decide(Alert.objects.get(), status=status, by=make.user(), version=1) == []
        # Of what was never told nothing more is told, not to programs either.
        assert kinds() == []
        (told,) = watch.raise_alerts(seen(ada, after=5, margin=0.3).pk)
        assert (told.kind, Alert.objects.count()) == ("raised", 2)

    @pytest.mark.parametrize(("margin", "told"), [(0.09, 0), (0.1, 1), (-0.1, 0)])
    def test_a_list_may_have_a_margin_of_its_own(
        self, ada: Person, lobby: WatchList, margin: float, told: int
    ) -> None:
        WatchList.objects.update(ambiguity_margin=0.1)
        assert len(watch.raise_alerts(seen(ada, margin=margin).pk)) == told

    def test_with_a_margin_of_0_the_nearest_is_told(self, ada: Person, lobby: WatchList) -> None:
        WatchList.objects.update(ambiguity_margin=0)
        assert len(watch.raise_alerts(seen(ada, margin=0.001).pk)) == 1


class TestEscalation:
    @pytest.fixture
    def late(self, ada: Person, lobby: WatchList) -> Alert:
        """An alert that waits, on a list that escalates after ten minutes to the chief."""
        WatchList.objects.update(escalate_after_seconds=600)
        make.subscription(lobby, target="chief@example.org", mode="escalation")
        watch.raise_alerts(seen(ada).pk)
        return Alert.objects.get()

    def test_the_chief_hears_only_of_what_nobody_reviewed_in_time_and_once(
        self, clock: time_machine.Traveller, late: Alert
    ) -> None:
        assert Delivery.objects.get().target == "ops@example.org"
        assert escalation.escalate_due(datetime.now(UTC)) == []
        clock.shift(timedelta(minutes=10))
        (told,) = escalation.escalate_due(datetime.now(UTC))
        assert (told.target, told.kind, told.stage) == ("chief@example.org", "escalated", "pending")
        assert escalation.escalate_due(datetime.now(UTC)) == []

    def test_what_was_reviewed_is_not_escalated(
        self, clock: time_machine.Traveller, late: Alert
    ) -> None:
        review.decide(late, status="unsure", by=make.user(), version=1)
        clock.shift(timedelta(minutes=10))
        assert escalation.escalate_due(datetime.now(UTC)) == []

    def test_a_program_that_hears_of_escalations_hears_of_no_other_alert(
        self, ada: Person, lobby: WatchList
    ) -> None:
        make.subscription(lobby, channel="webhook", target="https://h.example", mode="escalation")
        watch.raise_alerts(seen(ada).pk)
        alert = Alert.objects.get()
        review.decide(alert, status="confirmed", by=make.user(), version=1)
        assert not Delivery.objects.filter(channel="webhook").exists()


class TestCorrections:
    def test_one_from_before_events_were_kept_can_be_confirmed(
        self, ada: Person, lobby: WatchList
    ) -> None:
        alert = self.told(ada)
        Event.objects.all().delete()
        assert review.decide(alert, status="confirmed", by=make.user(), version=1) == []
        alert.refresh_from_db()
        assert alert.status == "confirmed"

    def test_who_may_have_been_told_gets_one(
        self, ada: Person, lobby: WatchList, mailbox: Mailbox
    ) -> None:
        watch.raise_alerts(seen(ada).pk)
        mailbox.answer = "drop"
        deliveries.deliver(Delivery.objects.get().pk)
        assert Delivery.objects.get().stage == "unknown"
        (told,) = review.decide(Alert.objects.get(), status="dismissed", by=make.user(), version=1)
        assert told.kind == "reviewed"

    def test_who_was_certainly_not_told_gets_none(
        self, ada: Person, lobby: WatchList, mailbox: Mailbox
    ) -> None:
        watch.raise_alerts(seen(ada).pk)
        mailbox.answer = "451 try later"
        deliveries.deliver(Delivery.objects.get().pk)
        assert Delivery.objects.get().stage == "pending"
        alert = Alert.objects.get()
        assert review.decide(alert, status="dismissed", by=make.user(), version=1) == []

    def test_a_verdict_while_the_mail_is_written_has_it_written_anew(
        self, ada: Person, lobby: WatchList, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch.raise_alerts(seen(ada).pk)
        compose = letters.compose

        def dismissed_meanwhile(notice: Notice) -> Any:
            mail = compose(notice)
            review.decide(Alert.objects.get(), status="dismissed", by=make.user(), version=1)
            return mail

        monkeypatch.setattr(letters, "compose", dismissed_meanwhile)
        deliveries.deliver(Delivery.objects.get().pk)
        monkeypatch.undo()
        delivery = Delivery.objects.get()
        assert (delivery.stage, delivery.error_code) == ("pending", "reviewed_meanwhile")
        assert mailbox.mails == []
        Delivery.objects.update(next_try_at=NOON)
        deliveries.deliver(delivery.pk)
        (mail,) = mailbox.mails
        body = mail.get_body(("plain",))
        assert body is not None
        assert "Review    dismissed" in body.get_content()

    def told(self, ada: Person, *, status: str = "open", mode: str = "instant") -> Alert:
        """An alert of which the subscriber was told with this status."""
        watch.raise_alerts(seen(ada).pk)
        Delivery.objects.update(stage="sent", mode=mode, told_status=status, told_count=1)
        return Alert.objects.get()

    @pytest.mark.parametrize(
        ("was_told", "verdict", "corrections"),
        [
            ("open", "dismissed", 1),
            ("open", "confirmed", 0),
            ("open", "unsure", 0),
            ("confirmed", "dismissed", 1),
            ("dismissed", "confirmed", 1),
            ("dismissed", "unsure", 1),
        ],
    )
    def test_who_was_told_the_opposite_gets_one(
        self, ada: Person, lobby: WatchList, was_told: str, verdict: str, corrections: int
    ) -> None:
        alert = self.told(ada, status=was_told)
        told = review.decide(alert, status=verdict, by=make.user(), version=1)
        assert [delivery.kind for delivery in told] == ["reviewed"] * corrections

    def test_who_was_never_told_gets_none(self, ada: Person, lobby: WatchList) -> None:
        watch.raise_alerts(seen(ada).pk)
        alert = Alert.objects.get()
        assert review.decide(alert, status="dismissed", by=make.user(), version=1) == []

    def test_a_digest_is_corrected_by_the_next(self, ada: Person, lobby: WatchList) -> None:
        lobby.subscriptions.update(mode="daily")
        alert = self.told(ada, mode="daily")
        assert review.decide(alert, status="dismissed", by=make.user(), version=1) == []
        assert Delivery.objects.get(kind="reviewed").stage == "batched"

    def test_a_verdict_survives_what_looks_again(self, ada: Person, lobby: WatchList) -> None:
        photo = seen(ada)
        watch.raise_alerts(photo.pk)
        review.decide(Alert.objects.get(), status="dismissed", by=make.user(), version=1)
        watch.raise_alerts(photo.pk)
        watch.raise_alerts(photo.pk, historic=True)
        assert Alert.objects.get().status == "dismissed"
