"""Sightings that belong together: one alert for a person at a source, for as long as they come within the cooldown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alerts import events
from alerts.models import NOT_THIS_PERSON, Alert, Appearance, Delivery, Event, WatchList
from ledger import crashpoints
from recognition.models import Face, Person

#: Alerts that are ended in one go.
MOST_ENDED = 500


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A face that a list's rules let through; `distance` and `margin` are None where nobody else is known."""

    face: Face
    person: Person | None
    source: str
    seen_at: datetime
    distance: float | None
    margin: float | None
    threshold: float
    is_ambiguous: bool = False
    rival: Person | None = None
    times: int | None = None
    within_seconds: int | None = None
    historic: bool = False


def take(
    watchlist: WatchList, seen: Seen, *, alike: "QuerySet[Alert] | None" = None
) -> list[Delivery]:
    """Join a sighting to the alert that it belongs to, or raise one; return the deliveries to send now.

    A second call for the same face changes nothing. `alike` narrows down the alerts that may be joined.
    """
    with transaction.atomic():
        # The list's row lock lets two photos of one person, recognised at once, see each other's alert.
        WatchList.objects.select_for_update().get(pk=watchlist.pk)
        about = _about(seen.person)
        if Appearance.objects.filter(about, watchlist=watchlist, face=seen.face).exists():
            return []
        among = Alert.objects.all() if alike is None else alike
        found = _find(watchlist, seen, among=among.filter(about))
        if found is None:
            return _raise(watchlist, seen)
        return _join(found, seen)


def end_due(now: datetime) -> list[Delivery]:
    """End the alerts that nothing joined for a cooldown; return the deliveries to send now."""
    told: list[Delivery] = []
    going_on = Alert.objects.filter(ended_at=None).values("watchlist")
    for watchlist in WatchList.objects.filter(pk__in=going_on):
        silent = now - timedelta(seconds=watchlist.cooldown_seconds)
        # Joined in the future means that the clock was set back since.
        over = Q(joined_at__lte=silent) | Q(joined_at__gt=now + timedelta(minutes=1))
        due = Alert.objects.filter(over, watchlist=watchlist, ended_at=None).order_by("joined_at")
        for alert in due.select_related("watchlist")[:MOST_ENDED]:
            told += _end(alert, joined_at=alert.joined_at, now=now)
    return told


def _end(alert: Alert, *, joined_at: datetime, now: datetime) -> list[Delivery]:
    with transaction.atomic():
        # Unless something joined it in this very moment.
        ended = Alert.objects.filter(pk=alert.pk, ended_at=None, joined_at=joined_at)
        if not ended.update(ended_at=now):
            return []
        alert.refresh_from_db(fields=["count", "last_seen_at", "status", "ended_at"])
        if not events.was_published(alert, Event.Kind.RAISED):
            return []
        return events.publish(alert, Event.Kind.ENDED)


def _find(watchlist: WatchList, seen: Seen, *, among: "QuerySet[Alert]") -> Alert | None:
    """Return the alert, among those about the same person, within whose cooldown the face was seen at its source."""
    if not watchlist.cooldown_seconds:
        return None
    cooldown = timedelta(seconds=watchlist.cooldown_seconds)
    near = among.filter(
        watchlist=watchlist,
        first_seen_at__lte=seen.seen_at + cooldown,
        last_seen_at__gte=seen.seen_at - cooldown,
    ).order_by("-last_seen_at")
    # That was somebody else; what looks like them is hidden already, and this does not.
    near = near.exclude(status=Alert.Status.DISMISSED, reason=NOT_THIS_PERSON)
    if not seen.is_ambiguous:
        # What nobody was told of, because a reviewer could not say who it is, swallows nobody who is clear.
        told = Q(status__in=[Alert.Status.OPEN, Alert.Status.CONFIRMED])
        near = near.filter(Q(is_ambiguous=False) | told)
    if not seen.historic:
        # One that was found by looking back told nobody at once; what is seen now must.
        near = near.filter(historic=False)
    return near.filter(source=seen.source).first()


def _raise(watchlist: WatchList, seen: Seen) -> list[Delivery]:
    now = timezone.now()
    alert = Alert.objects.create(
        watchlist=watchlist,
        person=seen.person,
        face=seen.face,
        photo_id=seen.face.photo_id,
        distance=seen.distance,
        threshold=seen.threshold,
        margin=seen.margin,
        is_ambiguous=seen.is_ambiguous,
        rival=seen.rival,
        times=seen.times,
        within_seconds=seen.within_seconds,
        historic=seen.historic,
        source=seen.source,
        first_seen_at=seen.seen_at,
        last_seen_at=seen.seen_at,
        joined_at=now,
        ended_at=now if seen.historic else None,
        best_face=seen.face,
    )
    _appear(alert, seen)
    crashpoints.reach("alerts: alert stored")
    return [] if alert.is_ambiguous else events.publish(alert, Event.Kind.RAISED)


def _join(alert: Alert, seen: Seen) -> list[Delivery]:
    """Count one more sighting; one that is clear lifts an alert out of the review that nobody was told of.

    An alert that had ended, because what was seen in its time is recognised only now, goes on, and ends anew.
    """
    changes: dict[str, Any] = {
        "count": F("count") + 1,
        "first_seen_at": min(alert.first_seen_at, seen.seen_at),
        "last_seen_at": max(alert.last_seen_at, seen.seen_at),
        "joined_at": timezone.now(),
    }
    if _is_better(seen, alert=alert):
        changes["best_face"] = seen.face
    if not seen.historic:
        changes["ended_at"] = None
    is_clear = alert.is_ambiguous and not seen.is_ambiguous and alert.status == Alert.Status.OPEN
    # Looking back tells nobody at once: what it joins to an alert of its time is for the reviewer.
    is_clear = is_clear and (alert.historic or not seen.historic)
    if is_clear:
        changes["is_ambiguous"] = False
    Alert.objects.filter(pk=alert.pk).update(**changes)
    _appear(alert, seen)
    alert.refresh_from_db()
    return events.publish(alert, Event.Kind.RAISED) if is_clear else []


def _is_better(seen: Seen, *, alert: Alert) -> bool:
    """Return whether the face is nearer to the person than all before it; of an unknown one, whether it is clearer."""
    if seen.person is None:
        return alert.best_face is None or seen.face.quality > alert.best_face.quality
    nearest = alert.appearances.order_by("distance").values_list("distance", flat=True).first()
    return nearest is None or (seen.distance is not None and seen.distance < nearest)


def _appear(alert: Alert, seen: Seen) -> None:
    Appearance.objects.create(
        alert=alert,
        watchlist_id=alert.watchlist_id,
        person_id=alert.person_id,
        face=seen.face,
        photo_id=seen.face.photo_id,
        distance=seen.distance,
        margin=seen.margin,
        seen_at=seen.seen_at,
    )


def _about(person: Person | None) -> Q:
    """Return what holds of the rows about a person, also as one who was merged into them; or about nobody known."""
    return Q(person__in=person.ids()) if person else Q(person=None)
