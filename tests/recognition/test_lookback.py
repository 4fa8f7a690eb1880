"""Looking back: who is searched for in stored faces, slice by slice, and what comes of it."""

from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.utils import timezone

from alerts import lists, review
from alerts.models import NOT_THIS_PERSON, Alert, Delivery, WatchList
from ledger import crashpoints, pauses
from ledger.sweep import sweep
from recognition import lookback, people
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Embedding, Face, LookBack, Person, Photo, Sighting
from tests import make

pytestmark = pytest.mark.django_db


def vector(*numbers: float) -> Any:
    """An embedding of length 1 in the plane of its first numbers."""
    made = np.zeros(128, np.float32)
    made[: len(numbers)] = numbers
    return made / np.linalg.norm(made)


ADA, BOB, STRANGER = vector(1), vector(0, 1), vector(0, 0, 1)


@pytest.fixture
def ada() -> Person:
    """Somebody who is known by one face."""
    made = make.person("Ada Example")
    make.known_face(made, vector=ADA)
    return made


def stored(*looks: Any) -> Photo:
    """An upload from before, with a face of each look, and nobody recognised on it."""
    photo = make.photo(published_at=timezone.now())
    for index, look in enumerate(looks):
        make.face(photo=photo, index=index, vector=look)
    return photo


def requested(person: Person, why: str = "enrolled") -> LookBack:
    """One that waits."""
    made = lookback.request(person, why=why)
    assert made
    return made


def finished(look: LookBack, *, engine: Engine, known: Gallery) -> LookBack:
    """The row after all its slices."""
    while lookback.look_back(look.pk, engine=engine, known=known):
        pass
    look.refresh_from_db()
    return look


def test_past_photos_say_who_is_on_them(ada: Person, engine: Engine, known: Gallery) -> None:
    photo, other = stored(vector(1, 0.2), STRANGER), stored(STRANGER)
    look = finished(requested(ada), engine=engine, known=known)
    assert (look.stage, look.found, look.looked_at, look.total) == ("done", 1, 4, 4)
    sighting = Sighting.objects.get()
    assert (sighting.photo, sighting.person, sighting.rank) == (photo, ada, 1)
    assert sighting.distance == pytest.approx(1 - 1 / np.sqrt(1.04), abs=1e-5)
    assert sighting.seen_at == photo.created_at
    assert not other.sightings.exists()


def test_a_hit_on_a_watch_list_is_historic_and_told_to_nobody_at_once(
    ada: Person, engine: Engine, known: Gallery
) -> None:
    make.subscription(make.watchlist(people=(ada,)))
    stored(vector(1, 0.2))
    finished(requested(ada), engine=engine, known=known)
    assert Alert.objects.get().historic
    assert Delivery.objects.get().stage == "batched"


def test_what_nobody_has_heard_of_yet_is_no_old_one(
    ada: Person, engine: Engine, known: Gallery
) -> None:
    make.subscription(make.watchlist(people=(ada,)))
    Photo.objects.filter(pk=stored(vector(1, 0.2)).pk).update(published_at=None)
    finished(requested(ada), engine=engine, known=known)
    assert not Alert.objects.get().historic
    assert Delivery.objects.get().stage == "pending"


def test_a_face_that_was_somebody_elses_is_given_to_who_is_nearer(
    ada: Person, engine: Engine, known: Gallery
) -> None:
    bob = make.person("Bob Example")
    make.known_face(bob, vector=vector(1, 0.6))
    photo = stored(vector(1, 0.1))
    make.sighting(person=bob, face=photo.faces.get(), distance=0.1, margin=None)
    finished(requested(ada), engine=engine, known=known)
    ranks = Sighting.objects.order_by("rank").values_list("person__name", flat=True)
    assert list(ranks) == ["Ada Example", "Bob Example"]


def test_who_was_merged_is_looked_for_as_the_one_they_are_now(
    ada: Person, engine: Engine, known: Gallery
) -> None:
    augusta = make.person("Augusta Example")
    stored(ADA)
    people.merge(ada, into=augusta)
    look = LookBack.objects.get()
    assert look.person == augusta
    ada.refresh_from_db()
    assert requested(ada) == look
    finished(look, engine=engine, known=known)
    assert Sighting.objects.get().person == augusta


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_it_goes_on_chunk_by_chunk_and_slice_by_slice(
    ada: Person, engine: Engine, known: Gallery, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(lookback, "CHUNK", chunk)
    monkeypatch.setattr(lookback, "SLICE_SECONDS", 0.0)
    photos = [stored(ADA, STRANGER) for _ in range(3)]
    look = requested(ada)
    slices = 1
    while lookback.look_back(look.pk, engine=engine, known=known):
        slices += 1
    look.refresh_from_db()
    assert (look.stage, look.found, look.looked_at) == ("done", 3, 7)
    assert slices >= 3
    assert {one.photo for one in Sighting.objects.all()} == set(photos)


@pytest.mark.parametrize(
    "place",
    [
        "look back: matched anew, not announced",
        "look back: announced, not noted",
    ],
)
def test_killed_anywhere_it_goes_on_and_doubles_nothing(
    ada: Person,
    engine: Engine,
    known: Gallery,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    class Killed(BaseException):
        pass

    def reach(here: str) -> None:
        if here == place:
            raise Killed

    make.watchlist(people=(ada,), cooldown_seconds=0)
    for _ in range(2):
        stored(ADA)
    look = requested(ada)
    monkeypatch.setattr(crashpoints, "reach", reach)
    with pytest.raises(Killed):
        lookback.look_back(look.pk, engine=engine, known=known)
    monkeypatch.undo()
    LookBack.objects.update(lease_until=None, lease_token=None)
    finished(look, engine=engine, known=known)
    assert (look.stage, look.found) == ("done", 2)
    assert Sighting.objects.count() == Alert.objects.count() == 2


def test_a_listener_that_fails_is_told_again(
    ada: Person, engine: Engine, known: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.watchlist(people=(ada,))
    stored(ADA)
    look = requested(ada)
    with monkeypatch.context() as broken:
        broken.setattr("alerts.watch.raise_alerts", lambda *_, **__: 1 / 0)
        assert not lookback.look_back(look.pk, engine=engine, known=known)
    look.refresh_from_db()
    assert (look.stage, look.cursor, look.error_code) == ("waiting", 0, "server_error")
    LookBack.objects.update(next_try_at=look.created_at)
    finished(look, engine=engine, known=known)
    assert Alert.objects.count() == 1


def test_one_that_is_stopped_stays_so(
    ada: Person, engine: Engine, known: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(ADA)
    look = requested(ada)

    def stop(place: str) -> None:
        if place == "look back: announced, not noted":
            assert lookback.stop(look)

    monkeypatch.setattr(crashpoints, "reach", stop)
    assert not lookback.look_back(look.pk, engine=engine, known=known)
    look.refresh_from_db()
    assert (look.stage, look.lease_token) == ("stopped", None)
    assert not lookback.stop(look)
    assert not lookback.look_back(look.pk, engine=engine, known=known)


def test_a_request_joins_one_that_has_not_begun_and_follows_one_that_has(ada: Person) -> None:
    stored(ADA)
    first = requested(ada)
    assert requested(ada) == first
    LookBack.objects.update(begun_at=first.created_at)
    assert requested(ada) != first
    assert LookBack.objects.count() == 2


def test_nothing_is_looked_through_where_there_is_nothing(ada: Person) -> None:
    assert lookback.request(ada, why="enrolled") is None
    stored(ADA)
    assert lookback.request(make.person("Bob"), why="enrolled") is None


def test_the_sweep_wakes_it_unless_it_is_paused(ada: Person) -> None:
    stored(ADA)
    requested(ada)
    subject = pauses.subject_of(LookBack, LookBack.Stage.WAITING)
    pauses.pause(subject, by=None)
    assert sweep().woken == 0
    pauses.lift(subject)
    assert sweep().woken == 1


class TestWhatStartsOne:
    def whys(self) -> list[str]:
        return list(LookBack.objects.values_list("why", flat=True))

    def test_enrolling_a_face_of_an_upload(self, ada: Person) -> None:
        photo = stored(BOB)
        people.enrol_face(photo.faces.get(), person=ada)
        assert self.whys() == ["enrolled"]

    def test_enrolling_a_photo(self, engine: Engine, known: Gallery) -> None:
        stored(STRANGER)
        person = make.person("Barack Obama")
        enrolment = make.upload("obama-2009.jpg", person=person)
        make.recognised(enrolment, engine=engine, known=known)
        assert self.whys() == ["enrolled"]

    @pytest.mark.parametrize(
        ("change", "count"), [({"threshold": 0.6}, 1), ({"name": "Gate"}, 0), ({"purpose": "x"}, 0)]
    )
    def test_moving_a_lists_threshold(
        self, ada: Person, change: dict[str, Any], count: int
    ) -> None:
        stored(ADA)
        lobby = make.watchlist(people=(ada,))
        before = lists.state_of(lobby)
        WatchList.objects.update(**change)
        lobby.refresh_from_db()
        assert lists.look_back(lobby, since=before) == count
        assert self.whys() == ["rules"] * count

    def test_being_added_to_a_list_and_not_staying_on_it(self, ada: Person) -> None:
        stored(ADA)
        bob = make.person("Bob Example")
        make.known_face(bob, vector=BOB)
        lobby = make.watchlist(people=(ada,))
        before = lists.state_of(lobby)
        lobby.people.add(bob)
        assert lists.look_back(lobby, since=before) == 1
        assert LookBack.objects.get().person == bob

    def test_a_list_that_is_off_starts_none(self, ada: Person) -> None:
        stored(ADA)
        lobby = make.watchlist(is_active=False)
        before = lists.state_of(lobby)
        lobby.people.add(ada)
        assert lists.look_back(lobby, since=before) == 0

    def test_overturning_a_dismissal(self, ada: Person) -> None:
        stored(ADA)
        alert = make.alert(watchlist=make.watchlist(people=(ada,)), person=ada)
        user = make.user()
        review.decide(alert, status="dismissed", reason=NOT_THIS_PERSON, by=user, version=1)
        assert self.whys() == []
        review.decide(alert, status="confirmed", by=user, version=2)
        assert self.whys() == ["corrected"]


def test_embeddings_lie_in_the_order_in_which_they_came() -> None:
    faces = [make.face() for _ in range(3)]
    assert [one.face for one in Embedding.objects.order_by("pk")] == faces
    with connection.cursor() as cursor:
        columns = connection.introspection.get_primary_key_columns(cursor, Embedding._meta.db_table)
    assert columns == ["id"]
    assert Face.objects.get(embedding=Embedding.objects.earliest("pk")) == faces[0]
