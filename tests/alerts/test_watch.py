"""Who raises an alert, and for whom it makes deliveries."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from alerts import watch
from alerts.models import Alert, Delivery, WatchList
from recognition import people
from recognition.models import Person, Photo
from tests import make

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def seen(person: Person, *, distance: float = 0.4) -> Photo:
    """A photo in which the person is the nearest candidate."""
    return make.sighting(person=person, face=make.face(), distance=distance).photo


@pytest.fixture
def lobby(ada: Person) -> WatchList:
    return make.watchlist("Lobby", people=(ada,))


def test_a_watched_person_raises_an_alert_with_its_evidence(ada: Person, lobby: WatchList) -> None:
    photo = seen(ada, distance=0.41)
    watch.raise_alerts(photo.pk)
    alert = Alert.objects.get()
    assert (alert.watchlist, alert.person, alert.photo) == (lobby, ada, photo)
    assert (alert.distance, alert.threshold, alert.margin) == (0.41, 0.53, 0.2)
    assert alert.status == "open"


def test_a_second_call_raises_nothing_and_tells_nobody(ada: Person, lobby: WatchList) -> None:
    make.subscription(lobby)
    photo = seen(ada)
    assert len(watch.raise_alerts(photo.pk)) == 1
    assert watch.raise_alerts(photo.pk) == []
    assert Alert.objects.count() == 1
    assert Delivery.objects.count() == 1


def test_someone_on_no_list_raises_nothing(lobby: WatchList) -> None:
    assert watch.raise_alerts(seen(make.person("Bob")).pk) == []
    assert not Alert.objects.exists()


def test_a_photo_that_is_not_done_raises_nothing(ada: Person, lobby: WatchList) -> None:
    face = make.face(photo=make.photo(stage="detected"))
    make.sighting(person=ada, face=face)
    assert watch.raise_alerts(face.photo_id) == []
    assert not Alert.objects.exists()


@pytest.mark.parametrize(("distance", "alerts"), [(0.42, 1), (0.420001, 0)])
def test_the_threshold_of_a_list_is_the_largest_distance_that_alerts(
    ada: Person, lobby: WatchList, distance: float, alerts: int
) -> None:
    WatchList.objects.update(threshold=0.42)
    watch.raise_alerts(seen(ada, distance=distance).pk)
    assert Alert.objects.count() == alerts


def test_a_second_candidate_raises_nothing(ada: Person, lobby: WatchList) -> None:
    face = make.face()
    make.sighting(person=make.person("Bob"), face=face, distance=0.3)
    make.sighting(person=ada, face=face, distance=0.35, rank=2)
    watch.raise_alerts(face.photo_id)
    assert not Alert.objects.exists()


def test_within_the_cooldown_no_further_alert_is_raised_and_after_it_one_is(ada: Person) -> None:
    make.watchlist(people=(ada,), cooldown_seconds=600)
    with time_machine.travel(NOON, tick=False) as clock:
        watch.raise_alerts(seen(ada).pk)
        clock.shift(timedelta(seconds=599))
        watch.raise_alerts(seen(ada).pk)
        assert Alert.objects.count() == 1
        clock.shift(timedelta(seconds=601))
        watch.raise_alerts(seen(ada).pk)
        assert Alert.objects.count() == 2


def test_an_alert_of_a_clock_that_ran_ahead_silences_nobody_once_it_is_set_back(
    ada: Person,
) -> None:
    make.watchlist(people=(ada,), cooldown_seconds=600)
    with time_machine.travel(NOON + timedelta(days=365), tick=False):
        watch.raise_alerts(seen(ada).pk)
    with time_machine.travel(NOON, tick=False):
        watch.raise_alerts(seen(ada).pk)
        watch.raise_alerts(seen(ada).pk)
    assert Alert.objects.count() == 2


def test_the_cooldown_of_one_list_does_not_silence_another(ada: Person) -> None:
    make.watchlist("Lobby", people=(ada,), cooldown_seconds=600)
    watch.raise_alerts(seen(ada).pk)
    make.watchlist("Gate", people=(ada,), cooldown_seconds=600)
    watch.raise_alerts(seen(ada).pk)
    assert [alert.watchlist.name for alert in Alert.objects.order_by("created_at")] == [
        "Lobby",
        "Gate",
    ]


def test_two_lists_raise_two_alerts(ada: Person, lobby: WatchList) -> None:
    make.watchlist("Gate", people=(ada,))
    watch.raise_alerts(seen(ada).pk)
    assert set(Alert.objects.values_list("watchlist__name", flat=True)) == {"Lobby", "Gate"}


def test_an_inactive_list_raises_nothing(ada: Person, lobby: WatchList) -> None:
    WatchList.objects.update(is_active=False)
    watch.raise_alerts(seen(ada).pk)
    assert not Alert.objects.exists()


def test_a_list_that_names_a_merged_person_watches_the_one_who_stands_for_them(
    ada: Person, lobby: WatchList
) -> None:
    augusta = make.person("Augusta Example")
    people.merge(ada, into=augusta)
    watch.raise_alerts(seen(augusta).pk)
    assert Alert.objects.get().person == augusta


def test_a_list_that_names_both_halves_of_a_merge_raises_one_alert(
    ada: Person, lobby: WatchList
) -> None:
    augusta = make.person("Augusta Example")
    lobby.people.add(augusta)
    people.merge(ada, into=augusta)
    watch.raise_alerts(seen(augusta).pk)
    assert Alert.objects.count() == 1


def test_instant_subscribers_are_pending_and_the_others_batched(
    ada: Person, lobby: WatchList
) -> None:
    for mode in ("instant", "hourly", "daily"):
        make.subscription(lobby, target=f"{mode}@example.org", mode=mode)
    make.subscription(lobby, target="off@example.org", is_active=False)
    now = watch.raise_alerts(seen(ada).pk)
    assert [delivery.target for delivery in now] == ["instant@example.org"]
    assert dict(Delivery.objects.values_list("target", "stage")) == {
        "instant@example.org": "pending",
        "hourly@example.org": "batched",
        "daily@example.org": "batched",
    }


def test_the_database_refuses_a_second_alert_of_a_face(ada: Person, lobby: WatchList) -> None:
    face = make.face()
    make.alert(watchlist=lobby, person=ada, face=face)
    with pytest.raises(IntegrityError), transaction.atomic():
        make.alert(watchlist=lobby, person=ada, face=face)


def test_the_database_refuses_a_second_delivery_to_a_target(ada: Person, lobby: WatchList) -> None:
    make.subscription(lobby)
    watch.raise_alerts(seen(ada).pk)
    first = Delivery.objects.get()
    other = make.subscription(make.watchlist("Gate"))
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(
            alert=first.alert,
            subscription=other,
            channel=first.channel,
            target=first.target,
            mode="instant",
            stage="pending",
        )
