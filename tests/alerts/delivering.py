"""What tests of webhooks have in common: a target that hears of somebody, an alert about them, one try."""

from alerts import deliveries, watch, webhooks
from alerts.models import Delivery, Subscription
from recognition.models import Person
from tests import make


def subscribed(ada: Person, url: str, *, name: str = "Lobby") -> Subscription:
    """A webhook that hears of a list of Ada."""
    watchlist = make.watchlist(name, people=(ada,), cooldown_seconds=0)
    made = make.subscription(watchlist, channel="webhook", target=url)
    webhooks.give_secret(made)
    made.save()
    return made


def raised(ada: Person) -> Delivery:
    """The delivery of a fresh alert."""
    photo = make.sighting(person=ada, face=make.face()).photo
    watch.raise_alerts(photo.pk)
    return Delivery.objects.get(alert__photo=photo)


def tried(delivery: Delivery) -> Delivery:
    """The row after one try."""
    deliveries.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery
