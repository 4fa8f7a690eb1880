"""A dismissal as not this person: what such a dismissal hides, and what it never hides."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
import time_machine
from django.utils import timezone

from alerts import rejections, review, watch
from alerts.models import NOT_THIS_PERSON, Alert, Rejection, WatchList
from recognition.models import Face, LookBack, Person
from tests import make

pytestmark = pytest.mark.django_db

#: The enrolled face; somebody who looks a little like it, 0.48 from it; another picture of them, 0.47 from it.
ENROLLED = (1.0, 0.0)
LOOK_ALIKE = (0.52, float(np.sqrt(1 - 0.52**2)))
AGAIN = (0.53, float(np.sqrt(1 - 0.53**2)))


def vector(numbers: tuple[float, ...]) -> Any:
    """An embedding of length 1 in the plane of its first numbers."""
    made = np.zeros(128, np.float32)
    made[: len(numbers)] = numbers
    return made / np.linalg.norm(made)


def seen(person: Person, look: tuple[float, ...]) -> Face:
    """A face of this look, with the person as its nearest candidate."""
    face = make.face(vector=vector(look))
    distance = float(1 - vector(look) @ vector(ENROLLED))
    make.sighting(person=person, face=face, distance=distance)
    return face


@pytest.fixture
def ada() -> Person:
    made = make.person("Ada Example")
    make.known_face(made, vector=vector(ENROLLED))
    return made


@pytest.fixture
def lobby(ada: Person) -> WatchList:
    return make.watchlist("Lobby", people=(ada,), cooldown_seconds=0)


@pytest.fixture
def dismissed(ada: Person, lobby: WatchList) -> Alert:
    """The look-alike's alert, dismissed as not this person."""
    watch.raise_alerts(seen(ada, LOOK_ALIKE).photo_id)
    alert = Alert.objects.get()
    review.decide(alert, status="dismissed", reason=NOT_THIS_PERSON, by=make.user(), version=1)
    return alert


def alerts_raised(face: Face) -> int:
    """How many alerts a face's photo raises."""
    before = Alert.objects.count()
    watch.raise_alerts(face.photo_id)
    return Alert.objects.count() - before


def test_the_look_alike_raises_no_further_alert_and_that_is_counted(
    ada: Person, dismissed: Alert
) -> None:
    assert alerts_raised(seen(ada, AGAIN)) == 0
    rejection = Rejection.objects.get()
    assert (rejection.hits, rejection.face) == (1, dismissed.face)
    assert rejection.last_hit_at is not None


def test_a_face_nearer_to_the_enrolled_one_raises_one(ada: Person, dismissed: Alert) -> None:
    # 0.49 from the enrolled face, but on its other side.
    assert alerts_raised(seen(ada, (0.51, -0.86))) == 1


def test_a_strong_hit_is_never_hidden(ada: Person, dismissed: Alert) -> None:
    # 0.25 from the enrolled face; nearer still to the rejected one.
    strong = (0.75, 0.66)
    assert 1 - vector(strong) @ vector(LOOK_ALIKE) < 0.25
    assert alerts_raised(seen(ada, strong)) == 1


def test_it_hides_nobody_else(dismissed: Alert, lobby: WatchList) -> None:
    bob = make.person("Bob Example")
    make.known_face(bob, vector=vector(ENROLLED))
    lobby.people.add(bob)
    assert alerts_raised(seen(bob, AGAIN)) == 1


@pytest.mark.parametrize("reason", ["", "The picture is too poor"])
def test_a_dismissal_for_another_reason_hides_nothing(
    ada: Person, lobby: WatchList, reason: str
) -> None:
    watch.raise_alerts(seen(ada, LOOK_ALIKE).photo_id)
    review.decide(Alert.objects.get(), status="dismissed", reason=reason, by=make.user(), version=1)
    assert alerts_raised(seen(ada, AGAIN)) == 1


def test_the_very_face_is_hidden_on_another_list_too(ada: Person, dismissed: Alert) -> None:
    make.watchlist("Vault", people=(ada,), cooldown_seconds=0)
    assert alerts_raised(dismissed.face) == 0


def test_when_it_is_undone_what_it_hid_is_looked_for(ada: Person, dismissed: Alert) -> None:
    assert not LookBack.objects.exists()
    review.decide(dismissed, status="unsure", by=make.user("ugo"), version=2)
    assert LookBack.objects.get().person == ada


def test_rejecting_the_face_again_has_it_last_longer(ada: Person, dismissed: Alert) -> None:
    later = timezone.now() + timedelta(days=91)
    with time_machine.travel(later):
        assert not rejections.in_force().exists()
        rejections.reject(dismissed, by=None)
        assert rejections.in_force().count() == Rejection.objects.count() == 1


def test_it_expires(ada: Person, dismissed: Alert) -> None:
    face = seen(ada, AGAIN)
    with time_machine.travel(timezone.now() + timedelta(days=91)):
        assert alerts_raised(face) == 1


def test_it_can_be_undone_once(ada: Person, dismissed: Alert) -> None:
    rejection = Rejection.objects.get()
    assert rejections.undo(rejection)
    assert not rejections.undo(rejection)
    assert alerts_raised(seen(ada, AGAIN)) == 1


@pytest.mark.parametrize("verdict", ["open", "confirmed", "unsure"])
def test_another_verdict_undoes_it(ada: Person, dismissed: Alert, verdict: str) -> None:
    review.decide(dismissed, status=verdict, by=make.user("ugo"), version=2)
    assert alerts_raised(seen(ada, AGAIN)) == 1


def test_a_second_dismissal_rejects_once(dismissed: Alert) -> None:
    for version in (2, 3):
        review.decide(
            dismissed,
            status="dismissed",
            reason=NOT_THIS_PERSON,
            by=make.user(f"u{version}"),
            version=version,
        )
    assert Rejection.objects.count() == 1
