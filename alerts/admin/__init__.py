"""The admin of watch-lists and their alerts, and of who was told."""

from alerts.admin.alerts import AlertAdmin
from alerts.admin.outgoing import DeliveryAdmin, DigestAdmin
from alerts.admin.people import WatchedPersonAdmin
from alerts.admin.watchlists import SubscriptionAdmin, WatchListAdmin

__all__ = [
    "AlertAdmin",
    "DeliveryAdmin",
    "DigestAdmin",
    "SubscriptionAdmin",
    "WatchListAdmin",
    "WatchedPersonAdmin",
]
