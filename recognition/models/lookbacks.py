"""Searches of all stored faces for one person."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.models import Work
from recognition.models.people import Person


class LookBack(Work):
    """All faces that were stored until it began, looked through for one person; see `recognition.lookback`."""

    class Stage(models.TextChoices):
        WAITING = "waiting", _("to be looked through")
        DONE = "done", _("done")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")

    class Why(models.TextChoices):
        ENROLLED = "enrolled", _("a face was enrolled")
        LISTED = "listed", _("added to a watch-list")
        RULES = "rules", _("a watch-list's rules were changed")
        CORRECTED = "corrected", _("a dismissal was overturned")
        ASKED = "asked", _("somebody asked for it")

    OPEN_STAGES = (Stage.WAITING,)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="look_backs")
    why = models.CharField(_("why"), max_length=16, choices=Why)
    begun_at = models.DateTimeField(_("begun"), null=True)
    cursor = models.BigIntegerField(default=0, help_text=_("The last embedding looked at."))
    until = models.BigIntegerField(default=0, help_text=_("The last embedding to look at."))
    total = models.PositiveIntegerField(_("faces"), default=0)
    looked_at = models.PositiveIntegerField(_("looked at"), default=0)
    found = models.PositiveIntegerField(
        _("found"), default=0, help_text=_("Photos in which the person is a face's nearest.")
    )

    class Meta:
        verbose_name = _("look back")
        verbose_name_plural = _("looks back")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person"],
                condition=Q(stage="waiting", begun_at=None),
                name="look_back_once_until_begun",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["stage", "next_try_at"],
                condition=Q(stage="waiting"),
                name="look_back_unfinished",
            ),
            models.Index(fields=["finished_at"], name="look_back_finished"),
        ]

    def __str__(self) -> str:
        return f"look back {str(self.id)[:8]}"

    @property
    def percent(self) -> int:
        """How much of it is done, 0 to 100."""
        return min(100, 100 * self.looked_at // self.total) if self.total else 0
