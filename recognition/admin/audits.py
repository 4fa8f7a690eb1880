"""Audits of the gallery, to be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _lazy

from recognition.models import GalleryAudit


@admin.register(GalleryAudit)
class GalleryAuditAdmin(admin.ModelAdmin):
    """How many answers of the gallery were what comparing each face gives."""

    list_display = (
        "created_at",
        "engine",
        "held",
        "faces",
        "probes",
        "missed",
        "share",
        "is_passed",
    )
    list_filter = ("is_passed", "held", "engine", "created_at")
    ordering = ("-created_at", "-id")

    @admin.display(description=_lazy("recall (95 % interval)"))
    def share(self, audit: GalleryAudit) -> str:
        return f"{audit.recall:.1%} ({audit.low:.1%} – {audit.high:.1%})"

    @admin.display(description=_lazy("missed"))
    def missed(self, audit: GalleryAudit) -> int:
        return audit.missed

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: audits are made by night, and by manage.py audit-gallery."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: it is a measurement."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: without the last one an index would be trusted again."""
        return False
