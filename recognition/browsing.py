"""Which photos somebody may see, and what the pages show of them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from recognition.models import Face, Person, Photo, Sighting

#: Photos that are counted at the most: more than that is enough to know.
MOST_COUNTED = 1000
#: Photos whose sources are offered as filters.
LATEST_SOURCES = 500
#: Height of a label over a photo, as a share of the photo's longer side.
LABEL_SHARE = 1 / 45
#: A label whose face begins right of this share of the photo's width ends where its face ends.
RIGHT_SHARE = 0.6
#: Label heights that have to be free above a face, or its label stands below it.
ROOM_ABOVE = 2


def uploads(photos: "QuerySet[Photo]") -> "QuerySet[Photo]":
    """Return the photos that were uploaded to be looked at, without the enrolments."""
    return photos.filter(purpose=Photo.Purpose.UPLOAD)


def filtered(photos: "QuerySet[Photo]", *, chosen: Mapping[str, Any]) -> "QuerySet[Photo]":
    """Return the photos that fit every filter of `forms.PhotoFilter` in `chosen`."""
    wanted = Q()
    for name in ("stage", "source"):
        if name in chosen:
            wanted &= Q(**{name: chosen[name]})
    if "since" in chosen:
        wanted &= Q(created_at__gte=chosen["since"])
    if "until" in chosen:
        wanted &= Q(created_at__lt=chosen["until"])
    if "person" in chosen:
        named = _named(chosen["person"])
        wanted &= Q(Exists(Sighting.objects.filter(named, photo=OuterRef("pk"))))
    if "faces" in chosen:
        found = Q(Exists(Face.objects.filter(photo=OuterRef("pk"))))
        # Of a photo that is not looked at yet nobody knows.
        wanted &= found if chosen["faces"] == "with" else ~found & Q(stage=Photo.Stage.DONE)
    return photos.filter(wanted)


def _named(person: str) -> Q:
    """Return which sightings are of a person: the one with that id, or all with that in their name; merged ones too."""
    try:
        key = uuid.UUID(person)
    except ValueError:
        return Q(person__name__icontains=person) | Q(person__merged_into__name__icontains=person)
    return Q(person=key) | Q(person__merged_into=key)


def count(photos: "QuerySet[Photo]") -> int:
    """Return how many photos there are, MOST_COUNTED + 1 for more: one query that stops there."""
    return photos[: MOST_COUNTED + 1].count()


def sources(photos: "QuerySet[Photo]") -> list[str]:
    """Return the names of the sources that the latest photos come from."""
    latest = photos.order_by("-created_at", "-id").values_list("source", flat=True)
    return sorted(set(latest[:LATEST_SOURCES]) - {""})


def with_faces(photos: "QuerySet[Photo]") -> "QuerySet[Photo]":
    """Return the photos with their faces and the candidates of each: two queries more, however many there are."""
    candidates = Sighting.objects.select_related("person__merged_into").order_by("rank")
    faces = Face.objects.select_related("known_as__person").defer("landmarks").order_by("index")
    return photos.prefetch_related(
        Prefetch("faces", faces.prefetch_related(Prefetch("sightings", candidates)))
    )


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Who a face may be, and how far from it the nearest face is by which they are known."""

    person: Person
    distance: float


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One face as it is drawn over its photo; the label's place is in pixels of the upright original."""

    face: Face
    candidates: list[Candidate]
    x: int
    y: int
    above: bool
    anchor: Literal["start", "end"]

    @property
    def number(self) -> int:
        """The face's place in the photo, from the left, counted from 1."""
        return self.face.index + 1

    @property
    def best(self) -> Candidate | None:
        """The nearest candidate, None for a stranger."""
        return self.candidates[0] if self.candidates else None


@dataclass(frozen=True, kw_only=True)
class View:
    """A photo as a page shows it."""

    photo: Photo
    marks: list[Mark]

    @property
    def stage(self) -> str:
        """The name of the photo's stage, in the reader's language."""
        return str(Photo.Stage(self.photo.stage).label)

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.photo.stage not in Photo.OPEN_STAGES

    @property
    def label_size(self) -> int:
        """Height of the labels, in pixels of the upright original."""
        return _label_size(self.photo)

    @property
    def named(self) -> list[Mark]:
        """The faces that somebody known may be."""
        return [mark for mark in self.marks if mark.candidates]


def view_of(photo: Photo) -> View:
    """Return what is shown of a photo; no query if it came `with_faces`."""
    return View(photo=photo, marks=[_mark(face, photo=photo) for face in photo.faces.all()])


def _label_size(photo: Photo) -> int:
    return max(1, round(max(photo.width, photo.height) * LABEL_SHARE))


def _candidates(face: Face) -> list[Candidate]:
    """Return the candidates by rank; one who was merged into another is shown as the other, once."""
    found: dict[uuid.UUID, Candidate] = {}
    for sighting in face.sightings.all():
        person = sighting.person.merged_into or sighting.person
        found.setdefault(person.pk, Candidate(person=person, distance=sighting.distance))
    return list(found.values())


def _mark(face: Face, *, photo: Photo) -> Mark:
    """Place a face's label above it, or below at the photo's upper edge, so that it stays within the photo."""
    above = face.y > ROOM_ABOVE * _label_size(photo)
    right = face.x > photo.width * RIGHT_SHARE
    return Mark(
        face=face,
        candidates=_candidates(face),
        x=face.x + face.width if right else face.x,
        y=face.y if above else face.y + face.height,
        above=above,
        anchor="end" if right else "start",
    )
