"""The API of the faces that were told apart from people."""

from collections.abc import Mapping
from typing import ClassVar

from django.db.models import QuerySet
from rest_framework import mixins, viewsets

from alerts import rejections
from alerts.models import Rejection
from alerts.serializers import RejectionSerializer


class RejectionViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Rejection],
):
    """Faces that are "not this person", and hide what looks more like them; deleting one lets it in again."""

    lookup_value_converter = "uuid"
    queryset = Rejection.objects.all()
    serializer_class = RejectionSerializer
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("alerts.view_alert",),
        "retrieve": ("alerts.view_alert",),
        "destroy": ("alerts.change_alert",),
    }

    def get_queryset(self) -> "QuerySet[Rejection]":
        return rejections.in_force().select_related("person", "face")

    def perform_destroy(self, instance: Rejection) -> None:
        rejections.undo(instance)
