"""Faces beside each other, their eyes level."""

import re
from math import cos, hypot, radians, sin
from typing import Any

import pytest

from alerts import browsing, lineup
from alerts.models import Alert
from recognition.models import Face, KnownFace
from tests import make


def drawn(face: Face, *points: tuple[float, float]) -> list[tuple[float, float]]:
    """Return where these points of the chip are drawn."""
    a, b, c, d, e, f = map(float, re.findall(r"-?[\d.]+", lineup.level(face)))
    return [(a * x + c * y + e, b * x + d * y + f) for x, y in points]


def face_of(*, roll: float = 0, apart: float = 44, **fields: Any) -> Face:
    """A face whose eyes are so many pixels of the chip apart, on a line that is turned by so many degrees."""
    across, down = apart / 2 * cos(radians(roll)), apart / 2 * sin(radians(roll))
    eyes = [[120 - across, 110 - down], [120 + across, 110 + down]]
    defaults = {"engine": "opencv", "height": 110, "chip_scale": 1.0}
    return Face(landmarks=[*eyes, *[[120.0, 130.0]] * 3], **defaults | fields)


@pytest.mark.parametrize("roll", [0, 20, -35, 90, 180])
@pytest.mark.parametrize("apart", [30, 44, 120])
def test_the_eyes_stand_at_the_same_points_in_every_face(roll: float, apart: float) -> None:
    face = face_of(roll=roll, apart=apart)
    # Landmarks name the centres of pixels.
    left, right = ((x + 0.5, y + 0.5) for x, y in face.landmarks[:2])
    (left_x, left_y), (right_x, right_y) = drawn(face, left, right)
    middle = lineup.WIDTH / 2
    assert (left_y, right_y) == pytest.approx((lineup.EYE_LINE,) * 2, abs=0.1)
    assert left_x == pytest.approx(middle - lineup.EYE_DISTANCE / 2, abs=0.1)
    assert right_x == pytest.approx(middle + lineup.EYE_DISTANCE / 2, abs=0.1)


def test_no_proportion_changes() -> None:
    face = face_of(roll=25)
    (x, y), *others = drawn(face, (0, 0), (100, 0), (0, 100), (60, 80))
    first, *rest = (hypot(other[0] - x, other[1] - y) for other in others)
    assert rest == pytest.approx([first, first], rel=1e-3)


def test_a_face_in_profile_is_not_drawn_many_times_too_large() -> None:
    profile = face_of(apart=2, height=100)
    (x, _), (further, _) = drawn(profile, (0, 0), (100, 0))
    assert further - x == pytest.approx(100 * lineup.EYE_DISTANCE / 25)


@pytest.mark.parametrize(("engine", "apart"), [("opencv", 0), ("peer", 44)])
def test_where_the_eyes_are_not_known_a_face_is_drawn_upright(engine: str, apart: float) -> None:
    (x, y), (further, same) = drawn(face_of(apart=apart, engine=engine), (0, 0), (100, 0))
    assert same == pytest.approx(y)
    assert further > x


@pytest.mark.django_db
def test_a_scale_has_room_for_all_distances() -> None:
    alert = make.alert(
        watchlist=make.watchlist(), person=make.person(), distance=0.4, threshold=0.5
    )
    rival = lineup.Rival(person=make.person("Bob"), distance=0.8, face=None)
    assert lineup.scale_of(alert, rival=rival) == lineup.Scale(
        threshold=54.3, distance=43.5, rival=87.0
    )
    assert lineup.scale_of(alert, rival=None).rival is None


def test_the_face_itself_enrolled_since_is_no_evidence(db: None) -> None:
    person, face = make.person(), make.face()
    alert = make.alert(watchlist=make.watchlist(), person=person, face=face)
    KnownFace.objects.create(person=person, face=face, revision=1)
    other = make.known_face(person)
    shown = lineup.known_faces(person, beside=alert.face)
    assert [one.face_id for one in shown] == [other.face_id]
    shown_beside: Any = browsing.with_evidence(Alert.objects.all()).get()
    assert shown_beside.known_face_id == other.face_id
