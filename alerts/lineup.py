"""What a reviewer looks at: the face that was seen beside those by which the person is known, all of them level.

Each face is drawn so that its eyes stand at the same two points, by turning, scaling and moving its chip: faces of one
person can then be laid over each other by eye, whatever their size and tilt in the photos.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from math import hypot

from django.db.models import Case, When

from alerts.models import Alert
from recognition.engine import EngineError
from recognition.engine.eyes import eyes
from recognition.models import Face, KnownFace, Person, Sighting

#: The picture in which a face is drawn: its size, where its eyes stand, and how far they are apart.
WIDTH, HEIGHT = 240, 300
EYE_LINE, EYE_DISTANCE = 120, 72

#: The least distance between the eyes that is believed, in heights of the face's box; upright faces have about 0.4. In
#: profile both eyes are nearly one point, and the face would be drawn many times too large.
LEAST_DISTANCE = 0.25

#: Enrolled faces beside the one that was seen: the best one, and several more.
MOST_FACES = 6

#: Room beyond the farthest distance that is drawn on a scale, as a factor.
ROOM = 1.15


@dataclass(frozen=True, kw_only=True)
class LevelFace:
    """A face with the SVG transform that levels its chip; of a known one also when it was taken and enrolled."""

    face_id: uuid.UUID
    transform: str
    taken_at: datetime | None = None
    enrolled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rival:
    """The nearest other person: who else it may be, how near, and their best face; None if that is gone."""

    person: Person
    distance: float
    face: LevelFace | None


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Where the distances stand on a scale from 0 to 100; `rival` is None where there is none."""

    threshold: float
    distance: float
    rival: float | None


def seen_face(alert: Alert) -> LevelFace:
    """Return the face that raised the alert."""
    return LevelFace(face_id=alert.face_id, transform=level(alert.face))


def further_faces(alert: Alert, *, most: int = MOST_FACES) -> list[LevelFace]:
    """Return the other sightings of an alert, the best picture first and then the newest; one query."""
    found = alert.appearances.exclude(face=alert.face_id).select_related("face")
    best = Case(When(face=alert.best_face_id, then=0), default=1)
    faces = [one.face for one in found.order_by(best, "-seen_at")[:most]]
    return [LevelFace(face_id=face.pk, transform=level(face)) for face in faces]


def known_faces(
    person: Person | None, *, beside: Face | None = None, most: int = MOST_FACES
) -> list[LevelFace]:
    """Return the faces by which a person is known, the best first; one query.

    Someone who was merged into another is known by the other's faces. `beside` itself, if it was enrolled, is left out.
    Of nobody (None) there are none.
    """
    if person is None:
        return []
    found = (
        KnownFace.objects.filter(person__in={person.pk, person.merged_into_id} - {None})
        .exclude(face=beside)
        .select_related("face__photo")
        .order_by("-face__quality", "pk")[:most]
    )
    return [_known(known.face) for known in found]


def rival_of(alert: Alert) -> Rival | None:
    """Return the nearest of the other candidates of the alert's face; two queries."""
    shown = alert.shown_person.pk if alert.shown_person else None
    candidates = Sighting.objects.filter(face=alert.face_id).select_related("person__merged_into")
    for sighting in candidates.order_by("rank"):
        person = sighting.person.merged_into or sighting.person
        if person.pk != shown:
            faces = known_faces(person, most=1)
            return Rival(
                person=person, distance=sighting.distance, face=faces[0] if faces else None
            )
    return None


def scale_of(alert: Alert, *, rival: Rival | None) -> Scale:
    """Return the alert's distances as places on a scale that has room for all of them."""
    own = alert.distance or 0.0
    distances = [alert.threshold, own] + ([rival.distance] if rival else [])
    end = ROOM * max(distances) or 1.0

    def place(distance: float) -> float:
        return round(100 * distance / end, 1)

    return Scale(
        threshold=place(alert.threshold),
        distance=place(own),
        rival=place(rival.distance) if rival else None,
    )


def level(face: Face) -> str:
    """Return the transform from pixels of the chip to the picture: eyes level, at their line, at their distance.

    It turns, scales and moves, and changes no proportion. A face whose eyes nobody knows is drawn upright.
    """
    try:
        left, right = eyes(face.engine, face.landmarks)
    except EngineError:
        left = right = tuple(sum(point[axis] for point in face.landmarks) / 5 for axis in (0, 1))
    across, down = right[0] - left[0], right[1] - left[1]
    apart = hypot(across, down)
    turn = (across / apart, -down / apart) if apart else (1.0, 0.0)
    least = LEAST_DISTANCE * face.height * face.chip_scale
    scale = EYE_DISTANCE / max(apart, least)
    a, b = scale * turn[0], scale * turn[1]
    # Landmarks name the centres of pixels, SVG their edges.
    x, y = (left[0] + right[0] + 1) / 2, (left[1] + right[1] + 1) / 2
    e, f = WIDTH / 2 - a * x + b * y, EYE_LINE - b * x - a * y
    return f"matrix({a:.4f} {b:.4f} {-b:.4f} {a:.4f} {e:.2f} {f:.2f})"


def _known(face: Face) -> LevelFace:
    return LevelFace(
        face_id=face.pk,
        transform=level(face),
        taken_at=face.photo.captured_at,
        enrolled_at=face.photo.created_at,
    )
