"""The admin of what was sent, or could not be: deliveries of one alert, and digests."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from alerts import deliveries, digests, tasks, ways
from alerts.masking import mask
from alerts.models import Delivery, Digest
from recognition.admin import pictures, stages

#: The facts of the ledger, at the end of a form.
PROGRESS = (
    "progress",
    "attempts",
    "next_try_at",
    "message_id",
    "created_at",
    "finished_at",
)


class ReadOnlyAdmin(admin.ModelAdmin):
    """Rows that only workers write; staff looks at them, and may have them sent again."""

    list_per_page = 50
    date_hierarchy = "created_at"
    actions = ("send_again",)

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the states."""
        return super().media + pictures.MEDIA

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: workers make these."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow sending again to those with the permission, and writing into a single row to nobody."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: the row is what keeps a second mail from being sent."""
        return False

    @admin.display(description=_lazy("stage"), ordering="stage")
    def progress(self, row: Any) -> SafeString:
        return stages.progress(row)

    @admin.display(description=_lazy("next try"), ordering="next_try_at")
    def next_try(self, row: Any) -> Any:
        return row.next_try_at if row.stage in row.OPEN_STAGES else None

    @admin.display(description=_lazy("message ID"))
    def message_id(self, row: Delivery | Digest) -> str | None:
        return ways.message_id(row)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """That one recipient hears of one alert."""

    list_display = (
        "target_shown",
        "alert_link",
        "way",
        "progress",
        "next_try",
        "created_at",
    )
    list_filter = (stages.StageFilter, "mode", "channel", "created_at")
    list_select_related = ("alert__person__merged_into", "alert__watchlist")
    search_fields = ("target", "alert__person__name", "alert__watchlist__name", "error_code")
    search_help_text = _lazy("Search by target, person, watch-list, or error")
    fields = readonly_fields = (
        "target_shown",
        "alert_link",
        "kind",
        "mode",
        "channel",
        "digest",
        *PROGRESS,
    )

    @admin.display(description=_lazy("target"), ordering="target")
    def target_shown(self, delivery: Delivery) -> str:
        return mask(delivery.channel, delivery.target)

    @admin.display(description=_lazy("alert"))
    def alert_link(self, delivery: Delivery) -> SafeString:
        alert = delivery.alert
        address = reverse("admin:alerts_alert_change", args=[alert.pk])
        return format_html('<a href="{}">{}, {}</a>', address, alert.whom, alert.watchlist)

    @admin.display(description=_lazy("how"))
    def way(self, delivery: Delivery) -> str:
        return f"{delivery.get_channel_display()}, {delivery.get_mode_display()}"

    @admin.action(permissions=["change"], description=_lazy("Send selected deliveries again"))
    def send_again(self, request: HttpRequest, queryset: "QuerySet[Delivery]") -> None:
        _send_again(request, queryset, put_back=deliveries.send_again, wake=tasks.wake_delivery)


@admin.register(Digest)
class DigestAdmin(ReadOnlyAdmin):
    """One mail to one recipient about the alerts of one window."""

    list_display = (
        "recipient_shown",
        "progress",
        "mode",
        "window_end",
        "alert_count",
        "next_try",
    )
    list_filter = (stages.StageFilter, "mode", "created_at")
    search_fields = ("recipient", "error_code")
    search_help_text = _lazy("Search by recipient or error")
    fields = readonly_fields = (
        "recipient_shown",
        "channel",
        "mode",
        "window_start",
        "window_end",
        "alert_count",
        *PROGRESS,
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Digest]":
        sent = Delivery.objects.filter(digest=OuterRef("pk")).order_by().values("digest")
        count = Subquery(sent.annotate(count=Count("pk")).values("count"))
        rows = cast("QuerySet[Digest]", super().get_queryset(request))
        return rows.annotate(alerts_in_it=Coalesce(count, 0))

    @admin.display(description=_lazy("recipient"), ordering="recipient")
    def recipient_shown(self, digest: Digest) -> str:
        return mask(digest.channel, digest.recipient)

    @admin.display(description=_lazy("alerts"), ordering="alerts_in_it")
    def alert_count(self, digest: Any) -> int:
        return int(digest.alerts_in_it)

    @admin.action(permissions=["change"], description=_lazy("Send selected digests again"))
    def send_again(self, request: HttpRequest, queryset: "QuerySet[Digest]") -> None:
        _send_again(request, queryset, put_back=digests.send_again, wake=tasks.wake_digest)


def _send_again(
    request: HttpRequest,
    rows: Iterable[Any],
    *,
    put_back: Callable[[Any], bool],
    wake: Callable[[Any], None],
) -> None:
    """Put the ended rows back to be sent and wake workers for them; tell how many, and how many were left."""
    chosen = list(rows)
    again = [row for row in chosen if put_back(row)]
    for row in again:
        wake(row)
    if again:
        text = ngettext("%d will be sent again.", "%d will be sent again.", len(again))
        messages.success(request, text % len(again))
    if left := len(chosen) - len(again):
        text = _("%d left as they are: only what failed, or may not have arrived, is sent again.")
        messages.warning(request, text % left)
