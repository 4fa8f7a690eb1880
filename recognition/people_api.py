"""The API of known people: kept, enrolled, merged."""

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, ClassVar

from django.db.models import Count, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import APIException
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from recognition import people, photos, tasks
from recognition.api import accepted, admitting
from recognition.filters import PersonFilter
from recognition.models import KnownFace, Person
from recognition.serializers import (
    FaceChoice,
    ImageOnly,
    KnownFaceSerializer,
    MergeSerializer,
    PersonSerializer,
    PhotoSerializer,
)


class Merged(APIException):
    """A change to a person who stands for another since."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "merged"


class PersonViewSet(viewsets.ModelViewSet[Person]):
    """People who can be recognised. One that was merged into another can be read, and not changed."""

    lookup_value_converter = "uuid"
    queryset = Person.objects.all()
    serializer_class = PersonSerializer
    filterset_class = PersonFilter
    ordering = ("name", "id")
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "enrol": ("recognition.add_knownface",),
        "faces": ("recognition.view_knownface",),
        "enrol_face": ("recognition.add_knownface",),
        "forget_face": ("recognition.delete_knownface",),
        "merge": ("recognition.change_person",),
        "unmerge": ("recognition.change_person",),
    }

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        with admitting(request) if self.action == "enrol" else nullcontext():
            super().initial(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Person]":
        shown = people.known_people() if self.action == "list" else Person.objects.all()
        return shown.annotate(faces_count=Count("known_faces"))

    def get_object(self) -> Person:
        person = super().get_object()
        unchanged = self.request.method in SAFE_METHODS or self.action == "unmerge"
        if person.merged_into_id and not unchanged:
            raise Merged(f"Use the person it was merged into: {person.merged_into_id}.")
        return person

    def perform_create(self, serializer: "BaseSerializer[Person]") -> None:
        person = Person.objects.create(**serializer.validated_data)
        serializer.instance = self.get_queryset().get(pk=person.pk)

    def perform_update(self, serializer: "BaseSerializer[Person]") -> None:
        Person.objects.filter(pk=self.kwargs["pk"]).update(**serializer.validated_data)
        serializer.instance = self.get_queryset().get(pk=self.kwargs["pk"])

    def perform_destroy(self, instance: Person) -> None:
        people.delete_people([instance])

    @extend_schema(
        operation_id="people_enrol",
        request={"multipart/form-data": ImageOnly},
        responses={202: PhotoSerializer, 200: PhotoSerializer},
        extensions={
            "x-problems": {
                400: "validation, unreadable_image, unsupported_format, too_many_pixels",
                409: "merged",
                413: "too_large",
                503: "backlog_full, disk_full, paused, storage_unavailable",
            }
        },
    )
    @action(detail=True, methods=["post"], url_path="photos", parser_classes=[MultiPartParser])
    def enrol(self, request: Request, pk: object = None) -> Response:
        """Enrol a person by a photo of nobody else; whether it is good enough shows in the photo's stage and error."""
        person = self.get_object()
        form = ImageOnly(data=request.data)
        form.is_valid(raise_exception=True)
        stored = photos.store_photo(form.validated_data["image"], owner=request.user, person=person)
        tasks.wake_photo(stored.photo)
        return accepted(stored.photo, created=stored.created, request=request)

    @extend_schema(
        operation_id="people_faces_list",
        responses=KnownFaceSerializer(many=True),
        filters=False,
    )
    @action(detail=True)
    def faces(self, request: Request, pk: object = None) -> Response:
        """List the faces by which a person is known, newest first."""
        known = (
            KnownFace.objects.filter(person=self.get_object())
            .select_related("face__photo")
            .defer("face__landmarks")
        )
        self.ordering = ("-created_at", "-id")
        paginator: Any = self.paginator
        page = paginator.paginate_queryset(known, request, view=self)
        serializer = KnownFaceSerializer(page, many=True, context={"request": request})
        return self.get_paginated_response(serializer.data)

    @extend_schema(
        operation_id="people_faces_create",
        request=FaceChoice,
        responses={201: KnownFaceSerializer, 200: KnownFaceSerializer},
        extensions={
            "x-problems": {
                400: "validation, low_quality, not_recognised",
                409: "known_as_another, merged",
            }
        },
    )
    @faces.mapping.post
    def enrol_face(self, request: Request, pk: object = None) -> Response:
        """Enrol a person by a face of an upload: "this is …". A face that they are known by already: 200."""
        form = FaceChoice(data=request.data, context={"request": request})
        person = self.get_object()
        form.is_valid(raise_exception=True)
        enrolled = people.enrol_face(form.validated_data["face"], person=person)
        known = KnownFace.objects.select_related("face__photo").get(pk=enrolled.known_face.pk)
        body = KnownFaceSerializer(known, context={"request": request}).data
        code = status.HTTP_201_CREATED if enrolled.created else status.HTTP_200_OK
        return Response(body, status=code)

    @extend_schema(operation_id="people_faces_destroy", responses={204: None})
    @action(detail=True, methods=["delete"], url_path="faces/<uuid:face_id>")
    def forget_face(self, request: Request, pk: object = None, face_id: Any = None) -> Response:
        """Forget a known face, with the enrolment photo that it came from; an upload stays."""
        known = get_object_or_404(KnownFace, person=self.get_object(), face=face_id)
        people.forget_faces([known])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="people_merge",
        request=MergeSerializer,
        responses=PersonSerializer,
        extensions={"x-problems": {409: "cannot_merge, merged"}},
    )
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: object = None) -> Response:
        """Make this person one with another, who stays and takes over the known faces."""
        form = MergeSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        into: Person = form.validated_data["into"]
        people.merge(self.get_object(), into=into, by=request.user)
        return Response(self.get_serializer(self.get_queryset().get(pk=into.pk)).data)

    @extend_schema(
        operation_id="people_unmerge",
        request=None,
        responses=PersonSerializer,
        extensions={"x-problems": {409: "cannot_unmerge"}},
    )
    @action(detail=True, methods=["post"])
    def unmerge(self, request: Request, pk: object = None) -> Response:
        """Undo the merge of this person into another: their known faces come back to them."""
        person = self.get_object()
        people.undo_merge(people.merge_of(person))
        return Response(self.get_serializer(self.get_queryset().get(pk=person.pk)).data)
