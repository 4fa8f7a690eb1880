"""The API of what was sent, or could not be: deliveries of one alert, and digests."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from alerts import deliveries, digests, tasks
from alerts.filters import DeliveryFilter, DigestFilter
from alerts.models import Delivery, Digest
from alerts.serializers import DeliverySerializer, DigestSerializer


class NotEnded(APIException):
    """A second sending of what was sent, or will be."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "not_ended"
    default_detail = (
        "Only what failed, was dropped, or may not have arrived is sent again; look at its stage."
    )


class DeliveryViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Delivery]
):
    """That one target hears of one alert, by itself or in a digest."""

    lookup_value_converter = "uuid"
    queryset = Delivery.objects.all()
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"send_again": ("alerts.change_delivery",)}

    @extend_schema(
        request=None,
        responses={202: DeliverySerializer},
        extensions={"x-problems": {409: "not_ended"}},
    )
    @action(detail=True, methods=["post"], url_path="send-again")
    def send_again(self, request: Request, pk: object = None) -> Response:
        """Send by itself what failed, was dropped, or may not have arrived; it may then come twice."""
        delivery = self.get_object()
        if not deliveries.send_again(delivery):
            raise NotEnded
        tasks.wake_delivery(delivery)
        return Response(
            self.get_serializer(self.get_object()).data, status=status.HTTP_202_ACCEPTED
        )


class DigestViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Digest]
):
    """One mail to one recipient about the alerts of one window."""

    lookup_value_converter = "uuid"
    queryset = Digest.objects.all()
    serializer_class = DigestSerializer
    filterset_class = DigestFilter
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"send_again": ("alerts.change_digest",)}

    @extend_schema(
        request=None,
        responses={202: DigestSerializer},
        extensions={"x-problems": {409: "not_ended"}},
    )
    @action(detail=True, methods=["post"], url_path="send-again")
    def send_again(self, request: Request, pk: object = None) -> Response:
        """Send what failed, was dropped, or may not have arrived; it may then come twice."""
        digest = self.get_object()
        if not digests.send_again(digest):
            raise NotEnded
        tasks.wake_digest(digest)
        return Response(
            self.get_serializer(self.get_object()).data, status=status.HTTP_202_ACCEPTED
        )
