"""The live stream of alerts for programs: server-sent events that go on where a program left off."""

import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts import feed
from facewatch import streams

#: Seconds after which to ask again when too many streams are open.
RETRY_SECONDS = 10


class TooManyStreams(APIException):
    """Each stream holds a thread of the web server."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "too_many_streams"
    default_detail = "Too many streams are open, here or of this user. Close one, or use a webhook."

    def __init__(self) -> None:
        super().__init__()
        self.wait = RETRY_SECONDS


class AlertStreamView(APIView):
    """What happens to alerts, as it happens."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"get": ("alerts.view_alert",)}

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                int,
                OpenApiParameter.HEADER,
                description="The number of the last event that was read; without it the stream begins now.",
            ),
            OpenApiParameter(
                "after",
                int,
                description="The same, for those who cannot send headers; 0: from the first.",
            ),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, description="Events as server-sent ones; the data is a webhook's."
            )
        },
        extensions={"x-problems": {400: "validation", 503: "too_many_streams"}},
    )
    def get(self, request: Request) -> Any:
        """Stream the events of alerts, beginning after the last one that was read. It ends after some minutes."""
        begin = _asked_for(request)
        newest = feed.newest()
        stream = streams.open_feed(
            _Reader(min(begin, newest), is_reset=begin > newest, user_id=request.user.pk),
            owner=request.user.pk,
            page=f"feed {uuid.uuid4()}",
        )
        if stream is None:
            raise TooManyStreams
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return StreamingHttpResponse(stream, content_type="text/event-stream", headers=headers)

    def head(self, _request: Request) -> Response:
        """Say that it is there, and open nothing."""
        return Response(headers={"Content-Type": "text/event-stream"})


class _Reader:
    """Reads on from where it was, for as long as the user may see alerts."""

    def __init__(self, number: int, *, is_reset: bool, user_id: Any) -> None:
        self._number = number
        self._user_id = user_id
        # A program that comes again before it has read an event goes on from here.
        self._greeting: list[bytes] = [feed.begin(number, is_reset=is_reset)]

    def __call__(self) -> list[bytes] | None:
        user = get_user_model().objects.filter(pk=self._user_id, is_active=True).first()
        if user is None or not user.has_perm("alerts.view_alert"):
            return None
        events = feed.after(self._number)
        if events:
            self._number = events[-1].number
        greeting, self._greeting = self._greeting, []
        return greeting + [feed.as_message(event) for event in events]


def _asked_for(request: Request) -> int:
    """Return the number after which to begin; it may be one that there is not yet. Raises ValidationError."""
    given = request.headers.get("Last-Event-ID") or request.query_params.get("after")
    if given is None:
        return feed.newest()
    if not given.isascii() or not given.isdigit() or len(given) > len(str(2**63)) - 1:
        raise ValidationError({"after": ["Give the number of an event, as it stood in its id."]})
    return int(given)
