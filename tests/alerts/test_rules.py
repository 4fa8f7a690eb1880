"""When a list raises an alert: its hours, days, sources, expiry, and its rule for faces that nobody knows."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import watch
from alerts.models import Alert, WatchList
from recognition import unknown
from recognition.models import Face, Person, Photo
from tests import make, plans
from tests.databases import only_sqlite

pytestmark = pytest.mark.django_db

#: A Sunday.
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def vector(*numbers: float) -> Any:
    """An embedding of length 1 in the plane of its first numbers."""
    made = np.zeros(128, np.float32)
    made[: len(numbers)] = numbers
    return made / np.linalg.norm(made)


def seen(person: Person, *, at: datetime = NOON, source: str = "gate") -> Photo:
    """A photo of the person, taken and uploaded at a time."""
    photo = make.photo(source=source, captured_at=at, created_at=at)
    return make.sighting(person=person, face=make.face(photo=photo), seen_at=at).photo


def raised_by(photo: Photo) -> int:
    """How many alerts a photo raises."""
    before = Alert.objects.count()
    watch.raise_alerts(photo.pk)
    return Alert.objects.count() - before


@pytest.fixture
def lobby(ada: Person) -> WatchList:
    return make.watchlist("Lobby", people=(ada,), cooldown_seconds=0)


@pytest.mark.parametrize(
    ("hour", "alerts"), [(20, 0), (21, 1), (23, 1), (0, 1), (4, 1), (5, 0), (12, 0)]
)
def test_hours_over_midnight_are_those_of_the_lists_zone(
    ada: Person, lobby: WatchList, hour: int, alerts: int
) -> None:
    lobby.active_from, lobby.active_until = time(22), time(6)
    lobby.time_zone = "Europe/Berlin"
    lobby.save()
    assert raised_by(seen(ada, at=NOON.replace(hour=hour))) == alerts


def test_hours_follow_summer_time(ada: Person, lobby: WatchList) -> None:
    lobby.active_from, lobby.active_until, lobby.time_zone = time(8), time(9), "Europe/Berlin"
    lobby.save()
    assert raised_by(seen(ada, at=datetime(2026, 1, 15, 7, 30, tzinfo=UTC))) == 1
    assert raised_by(seen(ada, at=datetime(2026, 7, 15, 7, 30, tzinfo=UTC))) == 0
    assert raised_by(seen(ada, at=datetime(2026, 7, 15, 6, 30, tzinfo=UTC))) == 1


def test_a_night_belongs_to_the_day_on_which_it_begins(ada: Person, lobby: WatchList) -> None:
    lobby.active_from, lobby.active_until, lobby.active_days = time(22), time(6), [7]
    lobby.save()
    monday = NOON + timedelta(days=1)
    assert raised_by(seen(ada, at=monday.replace(hour=3))) == 1
    assert raised_by(seen(ada, at=monday.replace(hour=23))) == 0


@pytest.mark.parametrize(
    ("only", "without", "alerts"),
    [([], [], 1), (["gate"], [], 1), (["dock"], [], 0), ([], ["gate"], 0), (["gate"], ["gate"], 0)],
)
def test_sources_are_in_or_out(
    ada: Person, lobby: WatchList, only: list[str], without: list[str], alerts: int
) -> None:
    WatchList.objects.update(only_sources=only, except_sources=without)
    assert raised_by(seen(ada)) == alerts


def test_a_list_that_expired_raises_nothing(ada: Person, lobby: WatchList) -> None:
    WatchList.objects.update(expires_at=NOON)
    with time_machine.travel(NOON - timedelta(seconds=1), tick=False):
        assert raised_by(seen(ada)) == 1
    with time_machine.travel(NOON, tick=False):
        assert raised_by(seen(ada)) == 0


class TestUnknownFaces:
    def stranger(
        self, look: Any, *, at: datetime = NOON, source: str = "gate", **fields: Any
    ) -> Face:
        """A face of nobody who is known."""
        photo = make.photo(source=source, captured_at=at, created_at=at)
        return make.face(photo=photo, vector=look, **fields)

    def test_any_raises_one_at_its_source_without_a_person(self) -> None:
        make.watchlist("Vault", unknown_rule="any", only_sources=["vault"])
        assert raised_by(self.stranger(vector(1), source="gate").photo) == 0
        face = self.stranger(vector(1), source="vault")
        assert raised_by(face.photo) == 1
        alert = Alert.objects.get()
        assert (alert.person, alert.face, alert.whom) == (None, face, "somebody unknown")

    def test_a_second_call_raises_nothing(self) -> None:
        make.watchlist("Vault", unknown_rule="any", cooldown_seconds=0)
        photo = self.stranger(vector(1)).photo
        assert raised_by(photo) == 1
        assert raised_by(photo) == 0

    @pytest.mark.parametrize(("distance", "alerts"), [(0.53, 0), (0.54, 1)])
    def test_unknown_is_who_is_within_an_alerts_distance_of_nobody(
        self, ada: Person, distance: float, alerts: int
    ) -> None:
        make.watchlist("Vault", unknown_rule="any")
        face = self.stranger(vector(1))
        make.sighting(person=ada, face=face, distance=distance)
        assert raised_by(face.photo) == alerts

    def test_a_face_too_poor_to_be_recognised_is_not_unknown(self) -> None:
        make.watchlist("Vault", unknown_rule="any")
        assert raised_by(self.stranger(vector(1), quality=0.05).photo) == 0

    def test_repeated_raises_one_at_the_nth_visit(self) -> None:
        make.watchlist("Vault", unknown_rule="repeated", unknown_count=3, cooldown_seconds=60)
        looks = (vector(1), vector(1, 0.1), vector(1, 0.2))
        found = [
            raised_by(self.stranger(look, at=NOON + timedelta(hours=number)).photo)
            for number, look in enumerate(looks)
        ]
        assert found == [0, 0, 1]
        assert Alert.objects.get().times == 3

    def test_a_burst_is_one_visit(self) -> None:
        make.watchlist("Vault", unknown_rule="repeated", unknown_count=2, cooldown_seconds=60)
        for second in range(5):
            at = NOON + timedelta(seconds=10 * second)
            assert raised_by(self.stranger(vector(1), at=at).photo) == 0

    @pytest.mark.parametrize("hours", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
    def test_in_whatever_order_they_are_recognised(self, hours: tuple[int, ...]) -> None:
        make.watchlist("Vault", unknown_rule="repeated", unknown_count=3, cooldown_seconds=60)
        found = [
            raised_by(self.stranger(vector(1), at=NOON + timedelta(hours=hour)).photo)
            for hour in hours
        ]
        assert found == [0, 0, 1]

    def test_visits_on_both_sides_that_are_too_far_apart_do_not_count_together(self) -> None:
        make.watchlist(
            "Vault",
            unknown_rule="repeated",
            unknown_count=3,
            unknown_seconds=3600,
            cooldown_seconds=60,
        )
        for minutes in (-50, 50):
            self.stranger(vector(1), at=NOON + timedelta(minutes=minutes))
        assert raised_by(self.stranger(vector(1)).photo) == 0

    @only_sqlite
    def test_faces_before_are_read_once_for_all_faces_and_lists_from_the_side_of_the_photos(
        self,
    ) -> None:
        for name in ("Vault", "Safe"):
            make.watchlist(name, unknown_rule="repeated", unknown_count=2)
        photo = self.stranger(vector(1)).photo
        for index in (1, 2):
            make.face(photo=photo, index=index, vector=vector(0, index))
        with CaptureQueriesContext(connection) as queries:
            watch.raise_alerts(photo.pk)
        (reading,) = [
            one["sql"] for one in queries if f"LIMIT {unknown.MOST_COMPARED}" in one["sql"]
        ]
        plan = plans.steps(reading)
        assert not [step for step in plan if step.startswith("SCAN")], plan

    def test_other_faces_and_old_visits_do_not_count(self) -> None:
        make.watchlist(
            "Vault",
            unknown_rule="repeated",
            unknown_count=2,
            unknown_seconds=3600,
            cooldown_seconds=60,
        )
        self.stranger(vector(0, 1), at=NOON - timedelta(minutes=30))
        self.stranger(vector(1), at=NOON - timedelta(minutes=61))
        assert raised_by(self.stranger(vector(1)).photo) == 0

    def test_two_strangers_are_two_alerts_and_one_who_stays_is_one(self) -> None:
        make.watchlist("Vault", unknown_rule="any", cooldown_seconds=60)
        for second, look in enumerate((vector(1), vector(0, 1), vector(1, 0.1), vector(0.1, 1))):
            watch.raise_alerts(self.stranger(look, at=NOON + timedelta(seconds=second)).photo_id)
        assert list(Alert.objects.values_list("count", flat=True)) == [2, 2]
