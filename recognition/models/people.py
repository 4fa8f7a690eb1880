"""Known people, and who was made one with whom."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


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

    def ids(self) -> list[uuid.UUID]:
        """Return the person's id and those of who were merged into them: by these an index is used; one query."""
        return [self.pk, *self.merged.values_list("pk", flat=True)]


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
