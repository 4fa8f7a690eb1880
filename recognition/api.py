"""The API of photos, faces and searches. People are in `people_api`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException, PermissionDenied, ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from ledger import backlog, capacity, pauses, workers
from recognition import access, admission, browsing, photos, searches, tasks, waiting
from recognition.filters import PhotoFilter
from recognition.models import Face, Photo
from recognition.serializers import (
    ImageOnly,
    PhotoSerializer,
    QueueSerializer,
    SearchAnswer,
    Upload,
)

#: What a multipart body may have besides the file, in bytes: boundaries, headers, small fields.
ENVELOPE_BYTES = 100_000
#: Characters of an Idempotency-Key.
LONGEST_KEY = 255
#: Seconds after which a client that does not wait should ask for a photo again.
ASK_AGAIN_SECONDS = 1

#: Stored pixels are shown as what they are and nothing else: nothing in them is run, and no cache between keeps them.
PIXEL_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


class NotFailed(APIException):
    """A retry of what has not failed."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "not_failed"
    default_detail = "Only failed photos can be tried again; look at the photo's stage."


class NotReady(APIException):
    """A picture that a worker has yet to make."""

    status_code = status.HTTP_404_NOT_FOUND
    default_code = "not_ready"
    default_detail = "A worker makes the picture when it looks for faces. Ask again later."
    wait = ASK_AGAIN_SECONDS


def refuse_too_large(request: Request) -> None:
    """Raise TooLarge by what the request says of its size, before any of its body is read."""
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > settings.MAX_UPLOAD_BYTES + ENVELOPE_BYTES:
        limit = settings.MAX_UPLOAD_BYTES / 1e6
        raise photos.TooLarge(f"A file may have up to {limit:g} MB. Send a smaller one.")


@contextmanager
def admitting(request: Request) -> Iterator[None]:
    """Raise TooLarge or `intake.Refused` before any of the body is read; wrap it round what finds out who asks.

    To check a session's CSRF token Django reads the body: the session's user is asked for before. A token's user is
    known only after, and the body is unread then.
    """
    refuse_too_large(request)
    session_user = request._request.user  # noqa: SLF001 (the only name by which it can be had unread)
    if session_user.is_authenticated:
        admission.check(owner=session_user)
    yield
    if not session_user.is_authenticated:
        admission.check(owner=request.user)


def accepted(photo: Photo, *, created: bool, request: Request) -> Response:
    """Return the answer to an upload: 202 for a new photo, 200 for one that was there already."""
    body = PhotoSerializer(photo, context={"request": request}).data
    url = reverse("api:photo-detail", kwargs={"pk": photo.pk}, request=request)
    headers = {"Location": url}
    if not created:
        return Response(body, headers=headers)
    headers["Retry-After"] = str(ASK_AGAIN_SECONDS)
    return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)


def idempotency_key(request: Request) -> str:
    """Return the sender's key for what is sent, empty if there is none.

    Draft draft-ietf-httpapi-idempotency-key-header-07: a structured string, in quotes; one without them is taken too.
    Raises ValidationError for an empty key and one that is too long.
    """
    header = request.headers.get("Idempotency-Key")
    if header is None:
        return ""
    key = header.strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > LONGEST_KEY or not key.isprintable():
        text = f"Send 1 to {LONGEST_KEY} printable characters, different ones for each photo."
        raise ValidationError({"Idempotency-Key": [text]})
    return key


def pixels(name: str, *, content_type: str, shown_as: str) -> HttpResponseBase:
    """Return a stored picture, or have the proxy send it. Raises NotReady if it is not there (yet)."""
    if settings.ACCEL:
        if not default_storage.exists(name):
            raise NotReady
        told = {"X-Accel-Redirect": f"{settings.ACCEL}{name}"}
        named = {
            "Content-Disposition": content_disposition_header(
                as_attachment=False, filename=shown_as
            )
            or "inline"
        }
        return HttpResponse(content_type=content_type, headers=PIXEL_HEADERS | named | told)
    try:
        file = default_storage.open(name)
    except FileNotFoundError as error:
        raise NotReady from error
    return FileResponse(file, content_type=content_type, filename=shown_as, headers=PIXEL_HEADERS)


class PhotoViewSet(
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.DestroyModelMixin,
    viewsets.GenericViewSet[Photo],
):
    """Photos: uploaded, looked at by workers, shown with their faces."""

    lookup_value_converter = "uuid"
    queryset = Photo.objects.all()
    parser_classes = [MultiPartParser]
    serializer_class = PhotoSerializer
    filterset_class = PhotoFilter
    #: What one may do with a photo depends on whose it is; see `access`.
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": (),
        "create": ("recognition.add_photo",),
        "retrieve": (),
        "destroy": (),
        "retry": (),
        "image": (),
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        with admitting(request) if self.action == "create" else nullcontext():
            super().initial(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Photo]":
        return browsing.with_faces(access.visible_photos(self.request.user))

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description=f"A text of your own for this photo, up to {LONGEST_KEY} characters: sent again under the"
                " same key it is the first photo; another photo under it is refused (422).",
            )
        ],
        request={"multipart/form-data": Upload},
        responses={202: PhotoSerializer, 200: PhotoSerializer},
        extensions={
            "x-problems": {
                400: "validation, unreadable_image, unsupported_format, too_many_pixels",
                413: "too_large",
                422: "idempotency_key_reused",
                503: "backlog_full, disk_full, paused, storage_unavailable",
            }
        },
    )
    def create(self, request: Request) -> Response:
        """Upload a photo. The same bytes again give the first photo, with 200."""
        form = Upload(data=request.data)
        form.is_valid(raise_exception=True)
        sent = form.validated_data
        stored = photos.store_photo(
            sent["image"],
            owner=request.user,
            origin=photos.Origin(
                source=sent["source"],
                captured_at=sent["captured_at"],
                key=idempotency_key(request),
            ),
        )
        tasks.wake_photo(stored.photo)
        # A new photo has no faces to be fetched.
        photo = stored.photo if stored.created else self.get_queryset().get(pk=stored.photo.pk)
        return accepted(photo, created=stored.created, request=request)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description=f"`wait=N`: answer when the photo is done or failed, or after N seconds"
                f" (up to {waiting.LONGEST_WAIT}).",
            )
        ]
    )
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Show a photo with its faces, now or (`Prefer: wait=N`) when it is done."""
        seconds = waiting.preferred_wait(request.headers.get("Prefer", ""))
        headers = {}
        if seconds is not None:
            photo = self.get_object()
            if waiting.until_final(photo.pk, seconds=seconds):
                headers["Preference-Applied"] = f"wait={seconds}"
        return Response(self.get_serializer(self.get_object()).data, headers=headers)

    def perform_destroy(self, instance: Photo) -> None:
        if not access.may_delete(self.request.user, instance):
            raise PermissionDenied
        photos.delete_photos([instance])

    @extend_schema(
        request=None,
        responses={202: PhotoSerializer},
        extensions={"x-problems": {409: "not_failed"}},
    )
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: object = None) -> Response:
        """Put a failed photo back to work."""
        photo = self.get_object()
        self._require("recognition.change_photo", photo=photo)
        if not photos.retry_photo(photo):
            raise NotFailed
        tasks.wake_photo(photo)
        return accepted(self.get_object(), created=True, request=request)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "size",
                str,
                enum=["full", "thumbnail"],
                description="`full` unless said: as far as a worker decoded it, which of large photos"
                " may be a part of their size.",
            )
        ],
        responses={(200, "image/jpeg"): OpenApiTypes.BINARY},
        extensions={"x-problems": {404: "not_found, not_ready", 503: "storage_unavailable"}},
    )
    @action(detail=True)
    def image(self, request: Request, pk: object = None) -> HttpResponseBase:
        """Show the picture: upright, without metadata; or a small one. Boxes are pixels of width × height."""
        photo = self.get_object()
        small = request.query_params.get("size") == "thumbnail"
        return pixels(
            photo.thumbnail_name if small else photo.picture_name,
            content_type="image/jpeg",
            shown_as=f"{photo.pk}.jpg",
        )

    def _require(self, permission: str, *, photo: Photo) -> None:
        if not access.may(self.request.user, permission, photo=photo):
            raise PermissionDenied


class FaceViewSet(viewsets.GenericViewSet[Face]):
    """Faces found on photos."""

    lookup_value_converter = "uuid"
    queryset = Face.objects.all()
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"chip": ()}

    @extend_schema(
        responses={(200, "image/png"): OpenApiTypes.BINARY},
        extensions={"x-problems": {404: "not_found, not_ready", 503: "storage_unavailable"}},
    )
    @action(detail=True)
    def chip(self, request: Request, pk: object = None) -> HttpResponseBase:
        """Show the face, cut out upright with a margin."""
        face = get_object_or_404(access.visible_faces(request.user), pk=pk)
        return pixels(face.chip_name, content_type="image/png", shown_as=f"{face.pk}.png")


class SearchView(APIView):
    """Who is this? Answered by a worker while the caller waits; nothing is kept."""

    parser_classes = [MultiPartParser]
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"post": ("recognition.add_search",)}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_too_large(request)
        admission.check_search()
        super().initial(request, *args, **kwargs)

    @extend_schema(
        operation_id="search",
        request={"multipart/form-data": ImageOnly},
        responses=OpenApiResponse(SearchAnswer),
        extensions={
            "x-problems": {
                400: "validation, unreadable_image, unsupported_format, too_many_pixels",
                413: "too_large",
                503: "disk_full, paused, storage_unavailable",
                504: "no_worker",
            }
        },
    )
    def post(self, request: Request) -> Response:
        """Say who is on a picture, without storing it."""
        form = ImageOnly(data=request.data)
        form.is_valid(raise_exception=True)
        search = searches.ask(form.validated_data["image"])
        tasks.wake_search(search)
        faces = searches.wait_for_answer(search, seconds=settings.SEARCH_TIMEOUT)
        return Response({"faces": faces})


class QueueView(APIView):
    """What is unprocessed, and who is at it."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"get": ("ledger.view_worker",)}

    @extend_schema(operation_id="queue", responses=QueueSerializer)
    def get(self, request: Request) -> Response:
        """Show the queue of photos, the workers that are alive, and what is paused."""
        state = backlog.state(Photo) | {
            "workers": workers.alive(),
            "capacity": capacity.measure(),
            "paused": pauses.paused(),
        }
        return Response(QueueSerializer(state).data)
