"""Which sightings raise an alert, and for which lists: every rule is evaluated in this one place."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from alerts import hours, incidents, rejections
from alerts.incidents import Seen
from alerts.models import CANARY_SOURCE, Alert, Delivery, WatchList
from recognition import engine as engines
from recognition import unknown
from recognition.models import Person, Photo, Sighting


def raise_alerts(photo_id: uuid.UUID | str, *, historic: bool = False) -> list[Delivery]:
    """Raise the alerts of one photo, or join them to those that there are; return the deliveries to send now.

    The caller wakes these. Only a face's nearest candidate (rank 1) can raise one. A second call for the photo raises
    nothing new. `historic` says that it was found by looking back: nobody is told of it at once.
    """
    photo = Photo.objects.filter(pk=photo_id, stage=Photo.Stage.DONE).first()
    if photo is None:
        return []
    told: list[Delivery] = []
    for sighting in _nearest(photo):
        for watchlist in _lists_of(sighting.person):
            if is_in_force(watchlist, source=photo.source, seen_at=sighting.seen_at):
                told += _consider(watchlist, sighting, photo=photo, historic=historic)
    return told if historic else told + _raise_unknown(photo)


def threshold_of(watchlist: WatchList, *, engine: str) -> float:
    """Return the largest distance that raises an alert on this list for an engine's embeddings."""
    if watchlist.threshold is not None:
        return watchlist.threshold
    return engines.THRESHOLDS[engine].alert


def margin_of(watchlist: WatchList, *, engine: str) -> float:
    """Return how much nearer than the next other person somebody must be for it to be clear who it is."""
    if watchlist.ambiguity_margin is not None:
        return watchlist.ambiguity_margin
    return engines.THRESHOLDS[engine].ambiguous


def is_in_force(watchlist: WatchList, *, source: str, seen_at: datetime) -> bool:
    """Return whether a list raises alerts of what this source saw at that time."""
    if watchlist.expires_at and watchlist.expires_at <= timezone.now():
        return False
    if watchlist.only_sources and source not in watchlist.only_sources:
        return False
    if source in watchlist.except_sources:
        return False
    began = hours.begins(
        seen_at,
        start=watchlist.active_from,
        end=watchlist.active_until,
        zone=watchlist.time_zone,
    )
    if began is None:
        return False
    return not watchlist.active_days or began.isoweekday() in watchlist.active_days


def _nearest(photo: Photo) -> list[Sighting]:
    return list(
        Sighting.objects.filter(photo=photo, rank=1)
        .select_related("face__embedding", "person")
        .order_by("distance")
    )


def _lists_of(person: Person) -> list[WatchList]:
    """Return the active lists that name the person, or someone who was merged into them."""
    naming = WatchList.people.through.objects.filter(person__in=person.ids())
    return list(WatchList.objects.filter(pk__in=naming.values("watchlist"), is_active=True))


def _consider(
    watchlist: WatchList, sighting: Sighting, *, photo: Photo, historic: bool
) -> list[Delivery]:
    """Take the sighting into an alert, unless its distance or a reviewer's rejection forbids it."""
    engine = sighting.face.embedding.engine
    threshold = threshold_of(watchlist, engine=engine)
    if sighting.distance > threshold:
        return []
    if rejections.hides(sighting.face, person=sighting.person, distance=sighting.distance):
        return []
    margin = sighting.margin
    is_ambiguous = margin is not None and margin < margin_of(watchlist, engine=engine)
    seen = Seen(
        face=sighting.face,
        person=sighting.person,
        source=photo.source,
        seen_at=sighting.seen_at,
        distance=sighting.distance,
        margin=margin,
        threshold=threshold,
        is_ambiguous=is_ambiguous,
        rival=_rival(sighting) if is_ambiguous else None,
        historic=historic,
    )
    return incidents.take(watchlist, seen)


def _raise_unknown(photo: Photo) -> list[Delivery]:
    """Raise the alerts of the faces of a photo that are of nobody who is known."""
    watching = WatchList.objects.filter(is_active=True).exclude(
        unknown_rule=WatchList.UnknownRule.NONE
    )
    is_canary = photo.owner_id is None and photo.source == CANARY_SOURCE
    if is_canary or not (lists := list(watching)):
        return []
    faces = list(unknown.unknown_faces().filter(photo=photo).select_related("embedding"))
    considered = [
        (watchlist, face)
        for face in faces
        for watchlist in lists
        if is_in_force(watchlist, source=photo.source, seen_at=face.seen_at)
    ]
    if not considered:
        return []
    seen_at = faces[0].seen_at
    # Read once for all, because that is what takes long.
    widest = timedelta(seconds=max(_within(watchlist) for watchlist, _ in considered))
    others = unknown.others_of(photo, since=seen_at - widest, until=seen_at + widest)
    told: list[Delivery] = []
    for watchlist, face in considered:
        told += _consider_unknown(watchlist, face, photo=photo, others=others)
    return told


def _within(watchlist: WatchList) -> int:
    """Return within how many seconds of each other sightings of an unknown face matter to a list."""
    if watchlist.unknown_rule == WatchList.UnknownRule.REPEATED:
        return max(watchlist.unknown_seconds, watchlist.cooldown_seconds)
    return watchlist.cooldown_seconds


def _consider_unknown(
    watchlist: WatchList, face: Any, *, photo: Photo, others: unknown.Others
) -> list[Delivery]:
    """Take an unknown face into an alert, if the list's rule says so: at once, or when it was seen often enough.

    What was seen later counts as well: photos may be recognised in another order than they were taken.
    """
    repeated = watchlist.unknown_rule == WatchList.UnknownRule.REPEATED
    within = watchlist.unknown_seconds if repeated else watchlist.cooldown_seconds
    around = timedelta(seconds=_within(watchlist))
    heeded = [
        one
        for one in others.like(face, since=face.seen_at - around, until=face.seen_at + around)
        if is_in_force(watchlist, source=one.source, seen_at=one.seen_at)
    ]
    times = most_visits(
        [*((one.source, one.seen_at) for one in heeded), (photo.source, face.seen_at)],
        around=face.seen_at,
        within=within,
        apart=watchlist.cooldown_seconds,
    )
    if repeated and times < watchlist.unknown_count:
        return []
    seen = Seen(
        face=face,
        person=None,
        source=photo.source,
        seen_at=face.seen_at,
        distance=min((one.distance for one in heeded), default=None),
        margin=None,
        threshold=engines.THRESHOLDS[face.embedding.engine].alert,
        times=times if repeated else None,
        within_seconds=within if repeated else None,
    )
    alike = Alert.objects.filter(appearances__face__in=[one.face_id for one in heeded]).distinct()
    return incidents.take(watchlist, seen, alike=alike)


def most_visits(
    seen: Iterable[tuple[str, datetime]], *, around: datetime, within: int, apart: int
) -> int:
    """Return how often somebody came at the most within so many seconds that have a moment among them."""
    moments = list(seen)
    width = timedelta(seconds=within)
    begins = {moment for _, moment in moments if moment <= around <= moment + width}
    return max(
        count_visits(
            ((source, moment) for source, moment in moments if begin <= moment <= begin + width),
            apart=apart,
        )
        for begin in begins
    )


def count_visits(seen: Iterable[tuple[str, datetime]], *, apart: int) -> int:
    """Return how often somebody came: sightings at one source no more than `apart` seconds apart are one visit."""
    last: dict[str, datetime] = {}
    visits = 0
    for source, moment in sorted(seen, key=lambda one: one[1]):
        before = last.get(source)
        if before is None or not apart or (moment - before).total_seconds() > apart:
            visits += 1
        last[source] = moment
    return visits


def _rival(sighting: Sighting) -> Person | None:
    """Return the next candidate of the face; None if the next other person stands for another face of the photo."""
    others = Sighting.objects.filter(face=sighting.face_id).exclude(pk=sighting.pk)
    nearest = others.select_related("person").order_by("distance").first()
    return nearest.person if nearest else None
