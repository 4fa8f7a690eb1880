"""The API of searches of stored photos for a person."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from recognition import lookback, tasks
from recognition.filters import LookBackFilter
from recognition.models import LookBack
from recognition.serializers import LookBackSerializer, NewLookBackSerializer


class NothingToLookThrough(APIException):
    """A search that could find nothing."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "nothing_to_look_through"
    default_detail = "There is no stored photo, or no face by which the person is known."


class HasEnded(APIException):
    """A search that cannot be stopped any more."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "has_ended"
    default_detail = "It has come to its end already; look at its stage."


class LookBackViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet[LookBack]
):
    """Searches of all stored photos for one person."""

    lookup_value_converter = "uuid"
    queryset = LookBack.objects.select_related("person")
    serializer_class = LookBackSerializer
    filterset_class = LookBackFilter
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("recognition.view_person",),
        "retrieve": ("recognition.view_person",),
        "create": ("recognition.change_person",),
        "stop": ("recognition.change_person",),
    }

    @extend_schema(
        request=NewLookBackSerializer,
        responses={202: LookBackSerializer},
        extensions={"x-problems": {409: "nothing_to_look_through"}},
    )
    def create(self, request: Request) -> Response:
        """Look through all stored photos for a person; one that waits already is the same."""
        form = NewLookBackSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        look = lookback.request(form.validated_data["person"], why=LookBack.Why.ASKED)
        if look is None:
            raise NothingToLookThrough
        tasks.wake_look_back(look)
        return Response(self.get_serializer(look).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        request=None, responses=LookBackSerializer, extensions={"x-problems": {409: "has_ended"}}
    )
    @action(detail=True, methods=["post"])
    def stop(self, request: Request, pk: Any = None) -> Response:
        """End a search; what it found stays."""
        look = self.get_object()
        if not lookback.stop(look):
            raise HasEnded
        return Response(self.get_serializer(self.get_object()).data)
