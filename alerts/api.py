"""The API of watch-lists, subscriptions and alerts."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from alerts import lists, review, tasks, webhooks
from alerts.filters import AlertFilter, SubscriptionFilter
from alerts.models import Alert, Subscription, WatchList
from alerts.serializers import (
    AlertSerializer,
    NewSubscriptionSerializer,
    SecretSerializer,
    SubscriptionSerializer,
    VerdictSerializer,
    WatchListSerializer,
)


class PreconditionRequired(APIException):
    """A verdict that does not say which state of the alert it is about."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_code = "precondition_required"
    default_detail = "Send the alert's ETag, as you have read it, in If-Match."


class NotSigned(APIException):
    """A secret for a channel that has none."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "not_signed"
    default_detail = "Only webhooks are signed; this subscription is of another channel."


class WatchListViewSet(viewsets.ModelViewSet[WatchList]):
    """Lists of people to raise an alert for."""

    lookup_value_converter = "uuid"
    queryset = WatchList.objects.prefetch_related("people")
    serializer_class = WatchListSerializer
    ordering = ("name",)
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def perform_create(self, serializer: "BaseSerializer[WatchList]") -> None:
        self._store(WatchList(), serializer)

    def perform_update(self, serializer: "BaseSerializer[WatchList]") -> None:
        self._store(serializer.instance, serializer)

    def _store(self, watchlist: Any, serializer: "BaseSerializer[WatchList]") -> None:
        fields = dict(serializer.validated_data)
        people = fields.pop("people", None)
        before = lists.state_of(watchlist)
        for name, value in fields.items():
            setattr(watchlist, name, value)
        with transaction.atomic():
            watchlist.save()
            if people is not None:
                watchlist.people.set(people)
            lists.look_back(watchlist, since=before)
        serializer.instance = WatchList.objects.get(pk=watchlist.pk)


class SubscriptionViewSet(viewsets.ModelViewSet[Subscription]):
    """Who hears of which list's alerts."""

    lookup_value_converter = "uuid"
    queryset = Subscription.objects.all()
    serializer_class = SubscriptionSerializer
    filterset_class = SubscriptionFilter
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"rotate": ("alerts.change_subscription",)}

    def get_serializer_class(self) -> Any:
        return NewSubscriptionSerializer if self.action == "create" else SubscriptionSerializer

    def perform_create(self, serializer: "BaseSerializer[Subscription]") -> None:
        made = Subscription(**serializer.validated_data)
        webhooks.give_secret(made)
        made.save(force_insert=True)
        serializer.instance = made

    @extend_schema(request=None, responses=SecretSerializer)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate(self, request: Request, pk: object = None) -> Response:
        """Give a webhook a new secret; for a day its messages are signed with the one before as well."""
        subscription = self.get_object()
        if subscription.channel != Subscription.Channel.WEBHOOK:
            raise NotSigned
        return Response({"secret": webhooks.rotate(subscription)})

    def perform_update(self, serializer: "BaseSerializer[Subscription]") -> None:
        subscription: Any = serializer.instance
        for name, value in serializer.validated_data.items():
            setattr(subscription, name, value)
        if subscription.is_active:
            subscription.ended_because = ""
        webhooks.give_secret(subscription)
        subscription.save()


class AlertViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Alert]
):
    """Alerts, with their evidence and what operators made of them."""

    lookup_value_converter = "uuid"
    queryset = Alert.objects.filter(watchlist__is_canary=False).select_related(
        *("person", "rival", "watchlist", "photo", "face", "best_face", "reviewed_by")
    )
    serializer_class = AlertSerializer
    filterset_class = AlertFilter

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "If-None-Match",
                str,
                OpenApiParameter.HEADER,
                description="An ETag: 304 if the alert has no other verdict since.",
            )
        ],
        responses={200: AlertSerializer, 304: OpenApiResponse(description="No other verdict.")},
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show an alert; its ETag changes with each verdict."""
        alert = self.get_object()
        known = parse_etags(request.headers.get("If-None-Match", ""))
        if "*" in known or alert.etag in [tag.removeprefix("W/") for tag in known]:
            return Response(status=status.HTTP_304_NOT_MODIFIED, headers={"ETag": alert.etag})
        return self._answer(alert)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "If-Match",
                str,
                OpenApiParameter.HEADER,
                description="The alert's ETag as you have read it; required (428).",
            )
        ],
        request=VerdictSerializer,
        responses=AlertSerializer,
        extensions={"x-problems": {412: "stale", 428: "precondition_required"}},
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Confirm or dismiss an alert as you have read it, set it aside, or change or take back that verdict."""
        alert = self.get_object()
        if "If-Match" not in request.headers:
            raise PreconditionRequired
        known = parse_etags(request.headers["If-Match"])
        if "*" not in known and not any(alert.has_version(tag) for tag in known):
            raise review.StaleAlert(
                "The alert was changed since you have read it. Read it again, then decide."
            )
        form = VerdictSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        told = review.decide(alert, by=request.user, version=alert.version, **form.validated_data)
        tasks.wake_deliveries(told)
        return self._answer(self.get_object())

    def _answer(self, alert: Alert) -> Response:
        return Response(self.get_serializer(alert).data, headers={"ETag": alert.etag})
