"""What is stored of photos, faces and known people. Data goes one way: photo → faces → sightings."""

import uuid
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ledger.models import Work
from recognition.engine import MINIMUM_FOR_ENROLMENT


class EmbeddingField(models.BinaryField):
    """One embedding, (D,) float32, stored as its bytes (little-endian, 4 D of them)."""

    def from_db_value(
        self, value: bytes | None, expression: object, connection: object
    ) -> npt.NDArray[np.float32] | None:
        return None if value is None else np.frombuffer(value, dtype="<f4")

    def get_db_prep_value(
        self,
        value: object,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,  # noqa: FBT001, FBT002 (Django's signature)
    ) -> object:
        if isinstance(value, np.ndarray):
            value = value.astype("<f4").tobytes()
        return super().get_db_prep_value(value, connection, prepared)


class Person(models.Model):
    """Someone whom staff want to find. One that was merged into another stays, and stands for the other."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=200, validators=[MinLengthValidator(1)])
    notes = models.TextField(_("notes"), blank=True)
    merged_into = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="merged"
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ("name", "id")
        indexes: ClassVar = [models.Index(fields=["name", "id"], name="person_by_name")]

    def __str__(self) -> str:
        return self.name


class Merge(models.Model):
    """That a person was made one with another, and what moved thereby, so that it can be undone."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="merges")
    into = models.ForeignKey(Person, models.CASCADE, related_name="merges_taken_in")
    merged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    merged_at = models.DateTimeField(default=timezone.now)
    undone_at = models.DateTimeField(null=True)
    known_faces = models.JSONField(help_text=_("The ids of the known faces that moved."))
    people = models.JSONField(
        help_text=_("The ids of the people who were merged into the person before.")
    )

    class Meta:
        verbose_name = _("merge")
        verbose_name_plural = _("merges")
        ordering = ("-merged_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person"], condition=Q(undone_at=None), name="merge_once_until_undone"
            ),
        ]

    def __str__(self) -> str:
        return f"merge {str(self.id)[:8]}"


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


class Embedding(models.Model):
    """A face as numbers, in a narrow table of its own so that millions are read fast."""

    face = models.OneToOneField(Face, models.CASCADE, primary_key=True, related_name="embedding")
    engine = models.CharField(max_length=40)
    vector = EmbeddingField()

    def __str__(self) -> str:
        return f"{self.engine} embedding of face {self.face_id}"


class KnownFace(models.Model):
    """An enrolled face: one by which a person is known. `revision` orders all changes of the gallery."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="known_faces")
    face = models.OneToOneField(Face, models.CASCADE, related_name="known_as")
    revision = models.BigIntegerField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("known face")
        verbose_name_plural = _("known faces")
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return f"known face {self.pk}"


class Tombstone(models.Model):
    """The trace of a known face that was taken out of the gallery, for workers that still hold it."""

    known_face_id = models.BigIntegerField()
    revision = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"known face {self.known_face_id}, gone"


class GalleryState(models.Model):
    """One row: the number of the gallery's newest change. Its row lock puts writers in order."""

    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"revision {self.revision}"


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


class Batch(Work):
    """An archive of photos, a folder for each person, on its way to becoming enrolments."""

    class Stage(models.TextChoices):
        PREVIEW = "preview", _("to be looked through")
        TAKING = "taking", _("being taken in")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    OPEN_STAGES = (Stage.TAKING,)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="batches", editable=False
    )
    name = models.CharField(_("file"), max_length=200)
    bytes = models.PositiveBigIntegerField(editable=False)
    archive = models.FileField(
        max_length=200, blank=True, help_text=_("Kept until it is taken in or thrown away.")
    )
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, editable=False)

    class Meta:
        verbose_name = _("archive")
        verbose_name_plural = _("archives")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(stage__in=["preview", "taking", "done", "stopped", "failed"]),
                name="batch_stage",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["stage", "next_try_at"],
                condition=Q(stage="taking"),
                name="batch_unfinished",
            ),
            models.Index(fields=["finished_at"], name="batch_finished"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def stage_name(self) -> str:
        """The stage in words."""
        return str(self.Stage(self.stage).label)


class BatchEntry(models.Model):
    """One file of an archive, and what became of it.

    `outcome` is empty while it waits, `stored` or `known` (the same bytes were there) once it has a photo, and the code
    of what keeps it from becoming one otherwise.
    """

    STORED, KNOWN = "stored", "known"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="entries")
    index = models.PositiveIntegerField(help_text=_("Place in the archive's directory."))
    path = models.TextField(help_text=_("As the archive has it."))
    name = models.CharField(
        max_length=200, blank=True, help_text=_("Of the person whom the folder names.")
    )
    bytes = models.PositiveBigIntegerField()
    person = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="+")
    photo = models.ForeignKey(Photo, models.SET_NULL, null=True, related_name="+")
    outcome = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        verbose_name = _("file of an archive")
        verbose_name_plural = _("files of archives")
        ordering = ("batch", "index")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "index"], name="entry_once_per_place"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["batch", "outcome", "index"], name="entry_by_outcome"),
        ]

    def __str__(self) -> str:
        return self.path
