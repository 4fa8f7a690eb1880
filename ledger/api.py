"""The API of pauses."""

from collections.abc import Mapping
from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ledger import controls, pauses
from ledger.serializers import PausedSerializer, PauseRequestSerializer


class PauseView(APIView):
    """The pause of the intake (`intake`) or of one stage, such as `photo:uploaded`."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "put": ("ledger.change_pause",),
        "delete": ("ledger.change_pause",),
    }

    @extend_schema(
        operation_id="pause",
        request=PauseRequestSerializer,
        responses={201: PausedSerializer, 200: PausedSerializer},
    )
    def put(self, request: Request, subject: str) -> Response:
        """Pause it: what is under way is finished, nothing more is begun. A second call changes nothing, with 200."""
        _check(subject)
        form = PauseRequestSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        created = pauses.pause(subject, by=request.user, reason=form.validated_data["reason"])
        found = [one for one in pauses.paused() if one.subject == subject]
        body = PausedSerializer(found[0]).data if found else {}
        return Response(body, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)

    @extend_schema(operation_id="resume", responses={204: None})
    def delete(self, request: Request, subject: str) -> Response:
        """Let it go on: what waited is woken at once. What is not paused stays as it is."""
        _check(subject)
        controls.resume(subject)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _check(subject: str) -> None:
    """Raise NotFound for what cannot be paused."""
    if subject not in pauses.NAMES:
        raise NotFound
