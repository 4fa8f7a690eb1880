"""Which sightings raise an alert, and who is to hear of it: evaluated in this one place."""

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from alerts.models import Alert, Delivery, Subscription, WatchList
from ledger import crashpoints, leases
from recognition import engine as engines
from recognition.models import Person, Photo, Sighting


def raise_alerts(photo_id: uuid.UUID | str) -> list[Delivery]:
    """Raise the alerts of one photo; return the deliveries to send now, which the caller wakes.

    Only a face's nearest candidate (rank 1) can raise one. A second call for the photo raises nothing new.
    """
    photo = Photo.objects.filter(pk=photo_id, stage=Photo.Stage.DONE).first()
    if photo is None:
        return []
    sightings = (
        Sighting.objects.filter(photo=photo, rank=1)
        .select_related("face__embedding", "person")
        .order_by("distance")
    )
    instant: list[Delivery] = []
    for sighting in sightings:
        for watchlist in _lists_of(sighting.person):
            with transaction.atomic():
                alert = _raise(watchlist, sighting, photo=photo)
                if alert:
                    crashpoints.reach("alerts: alert stored")
                    instant += _subscribe(alert)
    return instant


def threshold_of(watchlist: WatchList, *, engine: str) -> float:
    """Return the largest distance that raises an alert on this list for an engine's embeddings."""
    if watchlist.threshold is not None:
        return watchlist.threshold
    return engines.THRESHOLDS[engine].alert


def _lists_of(person: Person) -> list[WatchList]:
    """Return the active lists that name the person, or someone who was merged into them."""
    named = Q(people=person) | Q(people__merged_into=person)
    return list(WatchList.objects.filter(named, is_active=True).distinct())


def _raise(watchlist: WatchList, sighting: Sighting, *, photo: Photo) -> Alert | None:
    """Store the alert, unless the distance, an earlier call or the cooldown forbids it."""
    threshold = threshold_of(watchlist, engine=sighting.face.embedding.engine)
    if sighting.distance > threshold:
        return None
    # The list's row lock lets two photos of one person, recognised at once, see each other's alert.
    WatchList.objects.select_for_update().get(pk=watchlist.pk)
    seen = Alert.objects.filter(watchlist=watchlist, person=sighting.person)
    if seen.filter(face=sighting.face).exists():
        return None
    now = timezone.now()
    # An alert from the future was raised before the clock was set back: it must not silence the list until then.
    lately = (
        now - timedelta(seconds=watchlist.cooldown_seconds),
        now + timedelta(seconds=leases.CLOCK_SKEW),
    )
    if watchlist.cooldown_seconds and seen.filter(created_at__range=lately).exists():
        return None
    return Alert.objects.create(
        watchlist=watchlist,
        person=sighting.person,
        face=sighting.face,
        photo=photo,
        distance=sighting.distance,
        threshold=threshold,
        margin=sighting.margin,
    )


def _subscribe(alert: Alert) -> list[Delivery]:
    """Store a delivery for each active subscription of the alert's list; return those to send now."""
    deliveries = [
        Delivery(
            alert=alert,
            subscription=subscription,
            channel=subscription.channel,
            target=subscription.target,
            mode=subscription.mode,
            stage=(
                Delivery.Stage.PENDING
                if subscription.mode == Subscription.Mode.INSTANT
                else Delivery.Stage.BATCHED
            ),
        )
        for subscription in alert.watchlist.subscriptions.filter(is_active=True)
    ]
    Delivery.objects.bulk_create(deliveries)
    return [delivery for delivery in deliveries if delivery.stage == Delivery.Stage.PENDING]
