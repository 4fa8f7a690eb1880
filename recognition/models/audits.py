"""How good the answers of the gallery were."""

import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class GalleryAudit(models.Model):
    """What came of comparing the answers of the gallery, as it is held, with those of comparing each face."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    engine = models.CharField(_("engine"), max_length=40)
    held = models.CharField(_("held by"), max_length=16, help_text=_("`exact` or `pgvector`."))
    faces = models.PositiveBigIntegerField(_("known faces"))
    probes = models.PositiveIntegerField(_("probes"))
    agreed = models.PositiveIntegerField(
        _("agreed"), help_text=_("Probes of which all candidates and distances were the same.")
    )
    low = models.FloatField(_("recall at least"), help_text=_("95 % interval, after Wilson."))
    high = models.FloatField(_("recall at most"), help_text=_("95 % interval, after Wilson."))
    is_passed = models.BooleanField(_("passed"))

    class Meta:
        verbose_name = _("audit of the gallery")
        verbose_name_plural = _("audits of the gallery")
        ordering = ("-created_at", "-id")

    def __str__(self) -> str:
        return f"audit of {self.created_at:%Y-%m-%d %H:%M} UTC"

    @property
    def missed(self) -> int:
        """Probes that were answered wrongly."""
        return self.probes - self.agreed

    @property
    def recall(self) -> float:
        """The share of the probes that were answered the same, 0 to 1; of no probes 1."""
        return self.agreed / self.probes if self.probes else 1.0
