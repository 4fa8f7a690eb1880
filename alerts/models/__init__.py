"""Who is looked for, who must hear of it, and what was told: alerts → events → deliveries → digests, one way."""

from alerts.models.canary import CANARY_SOURCE, CanaryRun
from alerts.models.incidents import (
    NOT_THIS_PERSON,
    Alert,
    Appearance,
    Event,
    EventState,
    Rejection,
)
from alerts.models.outgoing import Delivery, Digest, Outage, Outgoing
from alerts.models.watchlists import Subscription, WatchList

__all__ = [
    "CANARY_SOURCE",
    "NOT_THIS_PERSON",
    "Alert",
    "Appearance",
    "CanaryRun",
    "Delivery",
    "Digest",
    "Event",
    "EventState",
    "Outage",
    "Outgoing",
    "Rejection",
    "Subscription",
    "WatchList",
]
