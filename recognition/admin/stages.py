"""How far the rows of the ledger have come, in the admin: a badge for one row, a filter for a list."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _lazy


def badge(row: Any) -> SafeString:
    """Return the stage of a row as a coloured word."""
    return format_html(
        '<span class="fw-badge fw-{}">{}</span>', row.stage, row.Stage(row.stage).label
    )


def progress(row: Any) -> SafeString:
    """Return the stage of a row, and below it what went wrong, if something did."""
    if not row.error_code:
        return badge(row)
    why = f"{row.error_code}: {row.error_detail}".rstrip(": ")
    return format_html('{}<div class="fw-why">{}</div>', badge(row), why)


class StageFilter(admin.SimpleListFilter):
    """Rows in one stage. The field has no choices of its own, and Django would look for its values in every row."""

    title = _lazy("stage")
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(model_admin.model.Stage.choices)

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        return queryset.filter(stage=self.value()) if self.value() else queryset
