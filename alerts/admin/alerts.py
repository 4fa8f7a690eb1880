"""The admin of alerts: the face that was seen beside the person as known, and an operator's verdict."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from alerts import browsing, explaining, review, tasks
from alerts.models import Alert
from recognition.admin import pictures

#: The verdict that each button of the form stands for.
BUTTONS = {
    "_confirm": Alert.Status.CONFIRMED,
    "_dismiss": Alert.Status.DISMISSED,
    "_unsure": Alert.Status.UNSURE,
}


#: Verdicts besides the two that have actions with words of their own.
FURTHER = sorted(
    set(Alert.Status) - {Alert.Status.OPEN, Alert.Status.CONFIRMED, Alert.Status.DISMISSED}
)


class VerdictForm(forms.ModelForm):
    """What an operator makes of an alert, and the version of it that they saw."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, label="")

    class Meta:
        model = Alert
        fields = ("reason",)
        widgets = {"reason": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["seen_version"].initial = self.instance.version


class ReasonForm(ActionForm):
    """The actions of the list, with a reason for all chosen alerts."""

    reason = forms.CharField(label=_lazy("Reason:"), max_length=1000, required=False)


@admin.register(Alert)
class AlertAdmin(admin.ModelAdmin):
    """Alerts: raised by workers, judged by operators, never written otherwise."""

    form = VerdictForm
    action_form = ReasonForm
    change_form_template = "admin/alerts/alert/change_form.html"
    list_display = (
        "faces",
        "status_badge",
        "person",
        "watchlist_link",
        "distance_shown",
        "created_at",
    )
    list_display_links = ("faces", "status_badge")
    list_filter = ("status", "historic", "watchlist", "created_at")
    list_per_page = 50
    date_hierarchy = "created_at"
    search_fields = ("person__name", "watchlist__name", "photo__source")
    search_help_text = _lazy("Search by person, watch-list, or the photo's source")
    actions = ("confirm_alerts", "dismiss_alerts")
    readonly_fields = (
        "status_badge",
        "person_link",
        "watchlist_link",
        "photo_link",
        "explanation",
        "count",
        "first_seen_at",
        "last_seen_at",
        "distance_shown",
        "threshold_shown",
        "margin_shown",
        "historic",
        "created_at",
        "reviewed_by",
        "reviewed_at",
    )
    fieldsets = (
        (None, {"fields": readonly_fields}),
        (_lazy("Verdict"), {"fields": ("reason", "seen_version")}),
    )

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the pictures."""
        return super().media + pictures.MEDIA

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: workers raise alerts."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: an alert goes with its person, photo or list, and is dismissed otherwise."""
        return False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Alert]":
        return browsing.with_evidence(super().get_queryset(request))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.has_change_permission(request, obj):
            return self.fieldsets
        return [(None, {"fields": (*self.readonly_fields, "reason")})]

    @admin.display(description=_lazy("seen, known"))
    def faces(self, alert: Any) -> SafeString:
        seen = pictures.chip(alert.face_id, of=_("The face that was seen"))
        known = pictures.chip(alert.known_face_id, of=_("The person as known"))
        return format_html('<span class="fw-pair">{}{}</span>', seen, known)

    @admin.display(description=_lazy("status"), ordering="status")
    def status_badge(self, alert: Alert) -> SafeString:
        return format_html(
            '<span class="fw-badge fw-{}">{}</span>', alert.status, alert.get_status_display()
        )

    @admin.display(description=_lazy("distance"), ordering="distance")
    def distance_shown(self, alert: Alert) -> str:
        return "-" if alert.distance is None else f"{alert.distance:.3f}"

    @admin.display(description=_lazy("threshold then"))
    def threshold_shown(self, alert: Alert) -> str:
        return f"{alert.threshold:g}"

    @admin.display(description=_lazy("next other person"))
    def margin_shown(self, alert: Alert) -> str:
        return "-" if alert.margin is None else _("%.3f farther") % alert.margin

    @admin.display(description=_lazy("why"))
    def explanation(self, alert: Alert) -> str:
        return explaining.explain(alert)

    @admin.display(description=_lazy("watch-list"))
    def watchlist_link(self, alert: Alert) -> SafeString:
        address = reverse("admin:alerts_watchlist_change", args=[alert.watchlist_id])
        return format_html('<a href="{}">{}</a>', address, alert.watchlist)

    @admin.display(description=_lazy("person"))
    def person_link(self, alert: Alert) -> SafeString:
        if alert.person_id is None:
            return format_html("{}", alert.whom)
        address = reverse("admin:recognition_person_change", args=[alert.person_id])
        return format_html('<a href="{}">{}</a>', address, alert.person)

    @admin.display(description=_lazy("photo"))
    def photo_link(self, alert: Alert) -> SafeString:
        address = reverse("admin:recognition_photo_change", args=[alert.photo_id])
        return format_html('<a href="{}">{}</a>', address, alert.photo)

    # One verdict

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except review.StaleAlert as error:
            messages.error(request, _("Your verdict was not stored. %s") % error)
            return redirect("admin:alerts_alert_change", object_id)

    def save_model(self, request: HttpRequest, obj: Alert, form: Any, change: Any) -> None:
        """Store the verdict of the button that was pressed; without one (a bare Enter) the status as it was seen."""
        pressed = (status for button, status in BUTTONS.items() if button in request.POST)
        told = review.decide(
            obj,
            status=next(pressed, obj.status),
            reason=form.cleaned_data["reason"],
            by=request.user,
            version=form.cleaned_data["seen_version"],
        )
        tasks.wake_deliveries(told)

    # Verdicts on several

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the actions, with one for each further verdict that there is."""
        actions = super().get_actions(request)
        if actions and self.has_change_permission(request):
            actions |= {f"mark_{status}": _marker(status) for status in FURTHER}
        return actions

    @admin.action(permissions=["change"], description=_lazy("Confirm selected alerts"))
    def confirm_alerts(self, request: HttpRequest, queryset: "QuerySet[Alert]") -> None:
        self._decide(request, queryset, status=Alert.Status.CONFIRMED)

    @admin.action(permissions=["change"], description=_lazy("Dismiss selected alerts"))
    def dismiss_alerts(self, request: HttpRequest, queryset: "QuerySet[Alert]") -> None:
        self._decide(request, queryset, status=Alert.Status.DISMISSED)

    def _decide(self, request: HttpRequest, queryset: "QuerySet[Alert]", *, status: str) -> None:
        """Judge the open ones of the chosen alerts; a verdict that somebody gave already stands."""
        decided = left = 0
        reason = request.POST.get("reason", "").strip()
        for alert in queryset:
            # Read as open a moment ago, and still open when the verdict is stored: else it is left alone.
            if alert.status == Alert.Status.OPEN and _decided(
                alert, status=status, reason=reason, by=request.user
            ):
                self.log_change(request, alert, str(Alert.Status(status).label))
                decided += 1
            else:
                left += 1
        if decided:
            text = ngettext(
                "%(count)d alert is %(status)s.", "%(count)d alerts are %(status)s.", decided
            )
            facts = {"count": decided, "status": Alert.Status(status).label}
            messages.success(request, text % facts)
        if left:
            text = ngettext(
                "%d was judged already, and stays as it is.",
                "%d were judged already, and stay as they are.",
                left,
            )
            messages.warning(request, text % left)


def _marker(status: Alert.Status) -> tuple[Any, str, str]:
    """Return the action that gives chosen alerts a verdict, as Django keeps actions."""

    def mark(modeladmin: AlertAdmin, request: HttpRequest, queryset: "QuerySet[Alert]") -> None:
        modeladmin._decide(request, queryset, status=status)  # noqa: SLF001 (a method in all but place)

    text = _("Judge selected alerts: %s") % status.label
    return mark, f"mark_{status}", text


def _decided(alert: Alert, *, status: str, reason: str, by: Any) -> bool:
    """Store a verdict on the alert as it was read; False if somebody was quicker."""
    try:
        told = review.decide(alert, status=status, reason=reason, by=by, version=alert.version)
    except review.StaleAlert:
        return False
    tasks.wake_deliveries(told)
    return True
