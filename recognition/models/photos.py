"""Photos, their faces, and who these may be: photo → faces → sightings, one way."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import Work
from recognition.engine import MINIMUM_FOR_ENROLMENT
from recognition.models.people import Person


class Photo(Work):
    """An uploaded picture and how far its recognition has come."""

    class Stage(models.TextChoices):
        UPLOADED = "uploaded", _("uploaded")
        DETECTED = "detected", _("faces found")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    class Purpose(models.TextChoices):
        UPLOAD = "upload", _("to look at")
        ENROLMENT = "enrolment", _("to know a person by")

    OPEN_STAGES = (Stage.UPLOADED, Stage.DETECTED)
    #: Error codes of enrolments that nobody can be known by.
    REFUSALS = ("no_face", "many_faces", "low_quality")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="photos", editable=False
    )
    purpose = models.CharField(
        max_length=16, choices=Purpose, default=Purpose.UPLOAD, editable=False
    )
    person = models.ForeignKey(
        Person,
        models.CASCADE,
        null=True,
        editable=False,
        related_name="enrolments",
        help_text=_("The person whom an enrolment shows."),
    )
    image = models.FileField(_("image"), max_length=200)
    format = models.CharField(max_length=8, editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    bytes = models.PositiveIntegerField(editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    source = models.CharField(
        _("source"),
        max_length=100,
        blank=True,
        help_text=_("Where it comes from, such as a camera's name."),
    )
    captured_at = models.DateTimeField(_("captured"), null=True, blank=True)
    idempotency_key = models.CharField(
        max_length=255,
        blank=True,
        editable=False,
        help_text=_("By which the sender of a photo knows it; empty for none."),
    )
    published_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text=_("When every listener had heard that it was recognised."),
    )

    class Meta:
        verbose_name = _("photo")
        verbose_name_plural = _("photos")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(stage__in=["uploaded", "detected", "done", "failed"]),
                name="photo_stage",
            ),
            models.CheckConstraint(
                condition=Q(purpose="upload", person=None)
                | Q(purpose="enrolment", person__isnull=False),
                name="photo_person_if_enrolment",
            ),
            models.UniqueConstraint(
                fields=["owner", "sha256"],
                condition=Q(purpose="upload"),
                name="photo_once_per_owner",
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                condition=~Q(idempotency_key=""),
                name="photo_once_per_key",
            ),
            models.UniqueConstraint(
                fields=["person", "sha256"],
                condition=Q(purpose="enrolment"),
                name="photo_once_per_person",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="photo_newest_first"),
            models.Index(
                fields=["stage", "next_try_at"],
                condition=Q(stage="uploaded") | Q(stage="detected"),
                name="photo_unfinished",
            ),
            # Not `stage__in`: SQLite sees that "uploaded" is one of two alternatives, but not that it is in a list.
            models.Index(
                fields=["owner", "stage", "priority"],
                condition=Q(stage="uploaded") | Q(stage="detected"),
                name="photo_unfinished_by_owner",
            ),
            models.Index(fields=["finished_at"], name="photo_finished"),
            models.Index(
                fields=["finished_at"],
                condition=Q(stage="done", published_at=None),
                name="photo_unpublished",
            ),
            models.Index(
                fields=["error_code", "finished_at"],
                condition=Q(stage="failed"),
                name="photo_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"photo {str(self.id)[:8]}"

    @property
    def version(self) -> str:
        """A text that changes whenever what pages show of the photo's progress does."""
        return f"{self.stage}:{self.error_code}"

    @property
    def folder(self) -> str:
        """The folder, under the media root, of everything stored of this photo."""
        return f"photos/{str(self.id)[:2]}/{self.id}"

    @property
    def picture_name(self) -> str:
        """The upright JPEG that is shown: the original's pixels without its metadata, made at detection."""
        return f"{self.folder}/picture.jpg"

    @property
    def thumbnail_name(self) -> str:
        """The same, small."""
        return f"{self.folder}/thumbnail.jpg"

    @property
    def has_picture(self) -> bool:
        """Whether the two pictures are there: written as soon as the photo was decoded."""
        stage = self.failed_stage or self.stage
        return stage != self.Stage.UPLOADED or self.error_code in self.REFUSALS


class Face(models.Model):
    """One face found in a photo; coordinates are pixels of the upright original."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    photo = models.ForeignKey(Photo, models.CASCADE, related_name="faces")
    index = models.PositiveSmallIntegerField(help_text=_("Place in the photo, from left to right."))
    x = models.PositiveIntegerField()
    y = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    score = models.FloatField(help_text=_("The detector's confidence, on its own scale."))
    quality = models.FloatField(help_text=_("Fitness for recognition, 0 to 1."))
    engine = models.CharField(max_length=40, help_text=_("The engine whose landmarks these are."))
    landmarks = models.JSONField(help_text=_("Five points, in pixels of the chip."))
    chip_scale = models.FloatField(help_text=_("Chip pixels per pixel of the photo."))

    class Meta:
        verbose_name = _("face")
        verbose_name_plural = _("faces")
        ordering = ("photo", "index")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["photo", "index"], name="face_once_per_place"),
        ]

    def __str__(self) -> str:
        return f"face {self.index + 1}"

    @property
    def can_enrol(self) -> bool:
        """Whether its quality is enough to know somebody by it."""
        return self.quality >= MINIMUM_FOR_ENROLMENT

    @property
    def chip_name(self) -> str:
        """The stored chip: an upright crop with a margin, as PNG."""
        return f"photos/{str(self.photo_id)[:2]}/{self.photo_id}/{self.id}.png"


class Sighting(models.Model):
    """A known person as a candidate for a face; rank 1 is the nearest. A person stands at most once in a photo."""

    photo = models.ForeignKey(Photo, models.CASCADE, related_name="sightings")
    face = models.ForeignKey(Face, models.CASCADE, related_name="sightings")
    person = models.ForeignKey(Person, models.CASCADE, related_name="sightings")
    distance = models.FloatField(help_text=_("The engine's distance; smaller is more alike."))
    rank = models.PositiveSmallIntegerField()
    margin = models.FloatField(
        null=True,
        help_text=_("How much farther the next other person is; none if there is no other."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(
        default=timezone.now,
        help_text=_("When the photo was taken, or came in if that is not known or was earlier."),
    )

    class Meta:
        verbose_name = _("sighting")
        verbose_name_plural = _("sightings")
        ordering = ("face", "rank")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["photo", "person"], name="person_once_per_photo"),
            models.UniqueConstraint(fields=["face", "rank"], name="sighting_once_per_rank"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["person", "seen_at", "id"], condition=Q(rank=1), name="sighting_of_person"
            ),
        ]

    def __str__(self) -> str:
        return f"rank {self.rank}, distance {self.distance:.3f}"


class Search(Work):
    """A question "who is this?" on its way to a worker and back; the row goes when it is answered."""

    class Stage(models.TextChoices):
        ASKED = "asked", _("asked")
        ANSWERED = "answered", _("answered")
        FAILED = "failed", _("failed")

    OPEN_STAGES = (Stage.ASKED,)
    MAX_ATTEMPTS = 2

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    image = models.FileField(max_length=200)
    answer = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"search {str(self.id)[:8]}"
