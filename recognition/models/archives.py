"""Archives of photos to know people by."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.models import Work
from recognition.models.people import Person
from recognition.models.photos import Photo


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
