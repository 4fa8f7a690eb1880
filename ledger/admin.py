"""The admin of workers: who is at work, to look at."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _lazy

from ledger.models import Worker
from ledger.workers import GONE_SECONDS


@admin.register(Worker)
class WorkerAdmin(admin.ModelAdmin):
    """Worker processes, as each last reported itself."""

    list_display = ("name", "alive", "doing", "engine", "seen_at", "started_at")
    list_filter = ("engine", "started_at")
    search_fields = ("name", "doing")
    search_help_text = _lazy("Search by name, or by what it is doing")
    ordering = ("-seen_at", "name")

    @admin.display(description=_lazy("alive"), boolean=True)
    def alive(self, worker: Worker) -> bool:
        return worker.seen_at > timezone.now() - timedelta(seconds=GONE_SECONDS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: a worker reports itself."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: a worker reports itself."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: the sweep forgets the workers that are gone."""
        return False
