"""What the pages show of known people: how they are known, and when they were seen."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce, Greatest, TruncDate

from recognition import access, people
from recognition import engine as engines
from recognition.models import Embedding, Face, KnownFace, Merge, Person, Photo, Sighting

#: From this quality on a face is called good.
GOOD_QUALITY = 0.75
#: Faces of one person from which on more bring little.
ENOUGH_FACES = 3
#: Letters of a word by which names are taken for similar.
SIGNIFICANT_LETTERS = 3
#: The longest spans that are drawn by day and by month, in days; and the fewest bars.
BY_DAY, BY_MONTH, FEWEST_BARS = 62, 5 * 366, 30


def sightings(user: Any) -> "QuerySet[Sighting]":
    """Return what may be seen of people: as the nearest candidate of a face, on photos that the user may see."""
    nearest = Sighting.objects.filter(rank=1)
    if user.has_perm("recognition.view_photo"):
        return nearest
    return nearest.filter(photo__in=access.visible_photos(user))


# The grid

#: What people are ordered by, and how.
ORDERS: dict[str, tuple[Any, ...]] = {
    "name": ("name", "id"),
    "seen": (F("seen").desc(nulls_last=True), "name", "id"),
    "newest": ("-created_at", "-id"),
}


def listed(
    user: Any, *, search: str = "", order: str = "name", unknown: bool = False
) -> "QuerySet[Person]":
    """Return the people with that in their name, or only those without a known face (`unknown`), in an order."""
    found = people.known_people()
    if search:
        found = found.filter(name__icontains=search)
    if unknown:
        found = found.filter(~Exists(KnownFace.objects.filter(person=OuterRef("pk"))))
    if order == "seen":
        found = found.annotate(seen=_last_seen(user))
    return found.order_by(*ORDERS[order])


def _last_seen(user: Any) -> Any:
    """Return the expression for when somebody, or one merged into them, was last seen: two places in an index."""
    latest = [
        Subquery(
            sightings(user)
            .filter(**{whose: OuterRef("pk")})
            .order_by("-seen_at")
            .values("seen_at")[:1]
        )
        for whose in ("person", "person__merged_into")
    ]
    # A function of nothing and something is nothing on SQLite.
    return Coalesce(Greatest(*latest), *latest)


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A person in the grid; `seen` is when they were last seen, and on which photo."""

    person: Person
    faces: int
    best_face: uuid.UUID | None
    seen_at: datetime | None
    seen_on: uuid.UUID | None


def tiles(user: Any, shown: Sequence[Person]) -> list[Tile]:
    """Return what the grid shows of these people: four queries, however many there are."""
    ids = [person.pk for person in shown]
    counts = dict(
        KnownFace.objects.filter(person__in=ids)
        .order_by()
        .values_list("person")
        .annotate(Count("pk"))
    )
    best_face = _best_first(OuterRef("pk")).values("face_id")[:1]
    best = dict(
        Person.objects.filter(pk__in=ids)
        .order_by()
        .values_list("pk", Subquery(best_face, output_field=UUIDField()))
    )
    seen = _latest(user, ids)
    return [
        Tile(
            person=person,
            faces=counts.get(person.pk, 0),
            best_face=best.get(person.pk),
            seen_at=seen[person.pk].seen_at if person.pk in seen else None,
            seen_on=seen[person.pk].photo_id if person.pk in seen else None,
        )
        for person in shown
    ]


def _best_first(person: Any) -> "QuerySet[KnownFace]":
    return KnownFace.objects.filter(person=person).order_by("-face__quality", "pk")


def _latest(user: Any, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Sighting]:
    """Return the latest sighting of each of these people or of those merged into them; two queries."""
    latest = (
        sightings(user).filter(person=OuterRef("pk")).order_by("-seen_at", "-id").values("pk")[:1]
    )
    each = Person.objects.filter(Q(pk__in=ids) | Q(merged_into__in=ids)).order_by()
    keys = [key for key in each.values_list(Subquery(latest), flat=True) if key]
    found: dict[uuid.UUID, Sighting] = {}
    for sighting in (
        Sighting.objects.filter(pk__in=keys).select_related("person").order_by("seen_at")
    ):
        found[sighting.person.merged_into_id or sighting.person_id] = sighting
    return found


# One person


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A face by which somebody is known; `is_in_use` is false if the engine in use knows nothing of it."""

    known: KnownFace
    is_in_use: bool

    @property
    def face(self) -> Face:
        """The face."""
        return self.known.face

    @property
    def percent(self) -> int:
        """Its quality, 0 to 100."""
        return round(100 * self.known.face.quality)

    @property
    def level(self) -> str:
        """Its quality in a word: `good`, `usable` or `low`."""
        return level_of(self.known.face.quality)

    @property
    def is_upload(self) -> bool:
        """Whether it stands on an upload ("this is …"), not on a photo sent to enrol."""
        return self.known.face.photo.purpose == Photo.Purpose.UPLOAD


def level_of(quality: float) -> str:
    """Return `good`, `usable` or, for less than an enrolment needs, `low`."""
    if quality >= GOOD_QUALITY:
        return "good"
    return "usable" if quality >= engines.MINIMUM_FOR_ENROLMENT else "low"


def enrolled_faces(person: Person) -> list[Enrolled]:
    """Return the faces by which a person is known, the best first; one query."""
    in_use = Exists(Embedding.objects.filter(face=OuterRef("face"), engine=settings.ENGINE))
    known = (
        _best_first(person)
        .select_related("face__photo")
        .defer("face__landmarks")
        .annotate(in_use=in_use)
    )
    return [Enrolled(known=one, is_in_use=one.in_use) for one in known]


def enrolments(person: Person) -> list[Photo]:
    """Return the photos to know a person by that are in work or were refused, newest first; one query."""
    ids = Person.objects.filter(Q(pk=person.pk) | Q(merged_into=person)).values("pk")
    unfinished = [*Photo.OPEN_STAGES, Photo.Stage.FAILED]
    found = Photo.objects.filter(person__in=ids, stage__in=unfinished)
    return list(found.order_by("-created_at", "-id"))


def sightings_of(user: Any, person: Person) -> "QuerySet[Sighting]":
    """Return when a person, or one merged into them, was seen."""
    ids = person.ids()
    return sightings(user).filter(person__in=ids)


@dataclass(frozen=True, kw_only=True)
class SightingsPage:
    """Some sightings, newest first; `older` is the cursor of the page after them, empty on the last."""

    rows: list[Sighting]
    older: str


def newest_sightings(found: "QuerySet[Sighting]", *, before: str, size: int) -> SightingsPage:
    """Return up to `size` sightings that are older than the cursor `before`; a senseless one gives the newest."""
    if older_than := _older_than(before):
        found = found.filter(older_than)
    rows = list(
        found.select_related("photo", "face")
        .defer("face__landmarks")
        .order_by("-seen_at", "-id")[: size + 1]
    )
    shown = rows[:size]
    cursor = f"{shown[-1].seen_at.isoformat()}_{shown[-1].pk}" if len(rows) > size else ""
    return SightingsPage(rows=shown, older=cursor)


def _older_than(cursor: str) -> Q | None:
    moment, _, key = cursor.partition("_")
    try:
        seen_at, pk = datetime.fromisoformat(moment), int(key)
    except ValueError:
        return None
    if seen_at.tzinfo is None:
        return None
    return Q(seen_at__lte=seen_at) & (Q(seen_at__lt=seen_at) | Q(id__lt=pk))


def undoable_merges(person: Person) -> "QuerySet[Merge]":
    """Return the merges of others into a person that were not undone, newest first."""
    taken_in = Merge.objects.filter(into=person, undone_at=None)
    return taken_in.select_related("person", "merged_by").order_by("-merged_at", "-id")


def similar_names(person: Person, *, most: int) -> list[Person]:
    """Return other people whose names have a word in common with this one's; one query."""
    words = [word for word in person.name.split() if len(word) >= SIGNIFICANT_LETTERS]
    if not words:
        return []
    alike = Q()
    for word in words:
        alike |= Q(name__icontains=word)
    return list(
        people.known_people().filter(alike).exclude(pk=person.pk).order_by("name", "id")[:most]
    )


# When somebody was seen


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How often somebody was seen within a day, month or year that begins at `start`; x and heights in a drawing."""

    start: date
    count: int
    x: int
    y: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """How often somebody was seen over time: `unit` is `day`, `month` or `year`; the bars are WIDTH apart."""

    unit: str
    bars: list[Bar]
    width: int
    first: date
    last: date
    days: int
    total: int

    @property
    def most(self) -> Bar:
        """The latest of the highest bars."""
        return max(self.bars, key=lambda bar: (bar.count, bar.start))


#: Of the drawing of a timeline: from bar to bar, height of the highest, least height of one.
STEP, HEIGHT, LEAST = 10, 60, 4


def timeline(found: "QuerySet[Sighting]") -> Timeline | None:
    """Return how often somebody was seen over time, None if never; one query."""
    days: dict[date, int] = dict(
        found.order_by().values_list(TruncDate("seen_at")).annotate(Count("pk"))
    )
    if not days:
        return None
    first, last = min(days), max(days)
    span = (last - first).days + 1
    unit = "day" if span <= BY_DAY else "month" if span <= BY_MONTH else "year"
    counts: Counter[date] = Counter()
    for day, count in days.items():
        counts[_start(day, unit)] += count
    slots = _slots(_start(first, unit), _start(last, unit), unit=unit)
    # Few bars stand at the right, where now is.
    skipped = max(0, FEWEST_BARS - len(slots))
    return Timeline(
        unit=unit,
        bars=_bars(slots, counts, skipped=skipped),
        width=(len(slots) + skipped) * STEP,
        first=first,
        last=last,
        days=len(days),
        total=sum(days.values()),
    )


def _bars(slots: Iterable[date], counts: Counter[date], *, skipped: int) -> list[Bar]:
    highest = max(counts.values())
    bars = []
    for place, start in enumerate(slots, skipped):
        if count := counts[start]:
            height = max(LEAST, round(HEIGHT * count / highest))
            bars.append(
                Bar(start=start, count=count, x=place * STEP + 1, y=HEIGHT - height, height=height)
            )
    return bars


def _start(day: date, unit: str) -> date:
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _slots(first: date, last: date, *, unit: str) -> list[date]:
    """Return where each day, month or year from the first to the last begins."""
    slots = [first]
    # Long enough to reach the next one from the start of any.
    stride = timedelta(days={"day": 1, "month": 31, "year": 366}[unit])
    while slots[-1] < last:
        slots.append(_start(slots[-1] + stride, unit))
    return slots
