"""The canary: pictures of nobody that are sent through everything, to see whether they arrive."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from recognition.models import Photo

#: The source of the canary's photos, which are nobody's.
CANARY_SOURCE = "canary"


class CanaryRun(models.Model):
    """One picture on its way from upload to delivery; see `alerts.canary`."""

    photo = models.OneToOneField(Photo, models.SET_NULL, null=True, related_name="canary_run")
    is_under_way = models.BooleanField(default=True, help_text=_("Neither arrived nor late."))
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    arrived_at = models.DateTimeField(_("arrived"), null=True)
    late_at = models.DateTimeField(_("late"), null=True, help_text=_("When it was overdue."))
    step = models.CharField(_("step"), max_length=100, blank=True, help_text=_("How far it came."))
    reported_at = models.DateTimeField(null=True, help_text=_("When that it is late was told."))
    report_next_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("-started_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["is_under_way"],
                condition=Q(is_under_way=True),
                name="canary_one_under_way",
            )
        ]

    def __str__(self) -> str:
        return f"canary of {self.started_at:%Y-%m-%d %H:%M}"
