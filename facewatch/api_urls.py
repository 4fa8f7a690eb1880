"""Every address under /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from alerts.api import AlertViewSet, SubscriptionViewSet, WatchListViewSet
from alerts.outgoing_api import DeliveryViewSet, DigestViewSet
from alerts.rejection_api import RejectionViewSet
from facewatch.alert_stream import AlertStreamView
from facewatch.tokens import TokenView
from ledger.api import PauseView
from recognition.api import FaceViewSet, PhotoViewSet, QueueView, SearchView
from recognition.lookback_api import LookBackViewSet
from recognition.people_api import PersonViewSet


class Router(SimpleRouter):
    """Routes ids as UUIDs: anything else is an unknown address."""

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)


app_name = "api"

router = Router()
router.register("photos", PhotoViewSet, basename="photo")
router.register("faces", FaceViewSet, basename="face")
router.register("people", PersonViewSet, basename="person")
router.register("look-backs", LookBackViewSet, basename="look-back")
router.register("watchlists", WatchListViewSet, basename="watchlist")
router.register("subscriptions", SubscriptionViewSet, basename="subscription")
router.register("alerts", AlertViewSet, basename="alert")
router.register("rejections", RejectionViewSet, basename="rejection")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("digests", DigestViewSet, basename="digest")

urlpatterns = [
    path("alerts/stream/", AlertStreamView.as_view(), name="alert-stream"),
    *router.urls,
    path("search/", SearchView.as_view(), name="search"),
    path("queue/", QueueView.as_view(), name="queue"),
    path("queue/pauses/<str:subject>/", PauseView.as_view(), name="pause"),
    path("token/", TokenView.as_view(), name="token"),
]
