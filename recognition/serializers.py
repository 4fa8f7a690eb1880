"""The JSON of photos, faces and people, and what is accepted of them."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from ledger.serializers import PausedSerializer
from recognition import access
from recognition.models import Face, KnownFace, LookBack, Person, Photo
from recognition.people import known_people


class MomentField(serializers.DateTimeField):
    """A point in time: ISO 8601 with its offset from UTC; without one nobody knows when it was."""

    default_error_messages = {
        "naive": "Say the offset from UTC, such as 2030-01-31T12:00:00Z or 2030-01-31T13:00:00+01:00."
    }

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            self.fail("naive")
        return super().enforce_timezone(value)


class ImageOnly(serializers.Serializer[Any]):
    """One picture: JPEG, PNG or WebP, whatever its name and content type say."""

    image = serializers.FileField(allow_empty_file=True, help_text="JPEG, PNG or WebP.")


class Upload(ImageOnly):
    """A picture, where it comes from, and when it was taken."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field of that name, not the field's own source
        max_length=100,
        required=False,
        allow_blank=True,
        default="",
        help_text="Where it comes from, such as a camera's name.",
    )
    captured_at = MomentField(
        required=False,
        allow_null=True,
        default=None,
        help_text="When it was taken, with the offset from UTC.",
    )


class BoxSerializer(serializers.Serializer[Any]):
    """A rectangle in pixels of the upright original."""

    x = serializers.IntegerField()
    y = serializers.IntegerField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class PersonName(serializers.Serializer[Any]):
    """Who it is."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class CandidateSerializer(serializers.Serializer[Any]):
    """A known person whom a face may show: distance 0 is the same, rank 1 the nearest."""

    person = PersonName()
    distance = serializers.FloatField()
    rank = serializers.IntegerField()


class LookSerializer(serializers.Serializer[Any]):
    """A face of a picture that was looked at and not kept."""

    box = BoxSerializer()
    score = serializers.FloatField(help_text="The detector's confidence, on its own scale.")
    quality = serializers.FloatField(help_text="Fitness for recognition, 0 to 1.")
    candidates = CandidateSerializer(many=True)


class SearchAnswer(serializers.Serializer[Any]):
    """Who is on a picture."""

    faces = LookSerializer(many=True)


class FaceSerializer(serializers.ModelSerializer[Face]):
    """A face of a photo, with the people whom it may show."""

    box = BoxSerializer(source="*")
    candidates = serializers.SerializerMethodField()

    class Meta:
        model = Face
        fields = ["id", "box", "score", "quality", "candidates"]
        read_only_fields = fields

    @extend_schema_field(CandidateSerializer(many=True))
    def get_candidates(self, face: Face) -> list[dict[str, Any]]:
        """Return the candidates by rank; one who was merged into another is shown as the other, once."""
        shown: dict[Any, dict[str, Any]] = {}
        for sighting in face.sightings.all():
            person = sighting.person.merged_into or sighting.person
            candidate = {
                "person": {"id": str(person.pk), "name": person.name},
                "distance": sighting.distance,
                "rank": sighting.rank,
            }
            shown.setdefault(person.pk, candidate)
        return list(shown.values())


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a photo failed: a code for programs, a text for people."""

    code = serializers.CharField()
    detail = serializers.CharField()


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    """A photo and how far its recognition has come."""

    url = serializers.HyperlinkedIdentityField(view_name="api:photo-detail")
    error = serializers.SerializerMethodField()
    faces = FaceSerializer(many=True, read_only=True)

    class Meta:
        model = Photo
        fields = [
            *("id", "url", "stage", "error", "source", "captured_at", "created_at"),
            *("finished_at", "width", "height", "faces"),
        ]
        read_only_fields = fields

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, photo: Photo) -> dict[str, str] | None:
        """Return what is wrong with a photo that is given up; one that will be tried again has no error yet."""
        if photo.stage != Photo.Stage.FAILED:
            return None
        return {"code": photo.error_code, "detail": photo.error_detail}


class PhotoLink(serializers.ModelSerializer[Photo]):
    """Where a photo is."""

    url = serializers.HyperlinkedIdentityField(view_name="api:photo-detail")

    class Meta:
        model = Photo
        fields = ["id", "url"]
        read_only_fields = fields


class FaceLink(serializers.ModelSerializer[Face]):
    """Where a face is: in its photo, and as a picture of its own."""

    box = BoxSerializer(source="*")
    chip_url = serializers.HyperlinkedIdentityField(view_name="api:face-chip")

    class Meta:
        model = Face
        fields = ["id", "box", "chip_url"]
        read_only_fields = fields


class PersonSerializer(serializers.ModelSerializer[Person]):
    """Someone who can be recognised once they have known faces."""

    faces_count = serializers.IntegerField(read_only=True, help_text="Known faces.")

    class Meta:
        model = Person
        fields = ["id", "name", "notes", "created_at", "faces_count", "merged_into"]
        read_only_fields = ["id", "created_at", "merged_into"]


class KnownFaceSerializer(serializers.ModelSerializer[KnownFace]):
    """A face by which a person is known, and the photo that it came from: an enrolment or an upload."""

    id = serializers.UUIDField(source="face_id", help_text="The face's id.")
    quality = serializers.FloatField(source="face.quality")
    photo = PhotoLink(source="face.photo")
    chip_url = serializers.SerializerMethodField()

    class Meta:
        model = KnownFace
        fields = ["id", "chip_url", "quality", "photo", "created_at"]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.URI)
    def get_chip_url(self, known: KnownFace) -> str:
        """Return the address of the face's picture."""
        return reverse(
            "api:face-chip", kwargs={"pk": known.face_id}, request=self.context["request"]
        )


class VisibleFace(serializers.PrimaryKeyRelatedField[Face]):
    """The id of a face that the user may see."""

    def get_queryset(self) -> "QuerySet[Face]":
        """Return the faces to choose from."""
        return access.visible_faces(self.context["request"].user).select_related("photo")


class FaceChoice(serializers.Serializer[Any]):
    """A face of a recognised upload."""

    face = VisibleFace(queryset=Face.objects.all())


class MergeSerializer(serializers.Serializer[Any]):
    """The person who stays."""

    into = serializers.PrimaryKeyRelatedField(queryset=Person.objects.all())


class StageQueue(serializers.Serializer[Any]):
    """How many photos of one stage are ready for a worker, held by one, or waiting for their next try."""

    ready = serializers.IntegerField()
    leased = serializers.IntegerField()
    waiting = serializers.IntegerField()
    oldest_seconds = serializers.FloatField()


class StagesSerializer(serializers.Serializer[Any]):
    """The stages in which something is still to be done."""

    uploaded = StageQueue()
    detected = StageQueue()


class WorkerSerializer(serializers.Serializer[Any]):
    """A worker process that is alive."""

    name = serializers.CharField()
    seen_seconds_ago = serializers.FloatField()
    doing = serializers.CharField()
    host = serializers.CharField()
    pid = serializers.IntegerField()
    queues = serializers.ListField(child=serializers.CharField(), help_text="What it takes.")
    engine = serializers.CharField()
    memory_bytes = serializers.IntegerField(allow_null=True)


class CapacitySerializer(serializers.Serializer[Any]):
    """One kind of work, as if its workers did nothing else; null is what was not measured of late."""

    queue = serializers.CharField()
    backlog = serializers.IntegerField(help_text="Rows that wait or are worked on.")
    arrivals_per_second = serializers.FloatField()
    done_per_second = serializers.FloatField()
    service_seconds = serializers.FloatField(
        allow_null=True, help_text="Of one worker, for one row."
    )
    workers = serializers.IntegerField()
    wait_seconds = serializers.FloatField(
        allow_null=True,
        help_text="Mean, by the M/M/c formula; null also where they cannot keep up.",
    )
    empty_seconds = serializers.FloatField(allow_null=True, help_text="Until the backlog is done.")
    workers_needed = serializers.IntegerField(
        allow_null=True, help_text="To hold the wait of FACEWATCH_TARGET_WAIT."
    )


class QueueSerializer(serializers.Serializer[Any]):
    """What is unprocessed, how fast it shrinks, who is at it, and what is paused."""

    stages = StagesSerializer()
    failed = serializers.IntegerField()
    done_per_minute = serializers.FloatField()
    eta_seconds = serializers.FloatField(
        allow_null=True,
        help_text="Null while photos wait and none was finished in the last minute.",
    )
    workers = WorkerSerializer(many=True)
    capacity = CapacitySerializer(many=True)
    paused = PausedSerializer(many=True)


class LookBackSerializer(serializers.ModelSerializer[LookBack]):
    """A search of all stored photos for one person."""

    person = PersonName()

    class Meta:
        model = LookBack
        fields = [
            *("id", "person", "why", "stage", "total", "looked_at", "percent", "found"),
            *("created_at", "begun_at", "finished_at"),
        ]
        read_only_fields = fields


class NewLookBackSerializer(serializers.Serializer[Any]):
    """For whom stored photos are to be looked through."""

    person = serializers.PrimaryKeyRelatedField(queryset=known_people())
