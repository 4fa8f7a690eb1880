"""The admin of watch-lists and of who hears of their alerts."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from alerts import lists, watch, webhooks
from alerts.admin.rules import SubscriptionForm, WatchListForm
from alerts.masking import mask
from alerts.models import Alert, Delivery, Subscription, WatchList
from recognition import engine as engines
from recognition.admin import pictures, removal

removal.register(WatchList, Subscription, lookup="watchlist")
removal.register(WatchList, Alert, lookup="watchlist")
removal.register(WatchList, Delivery, lookup="alert__watchlist")
removal.register(Subscription, Delivery, lookup="subscription")


#: Django's search for several has no name for those who do not see it.
LABELS = forms.Media(js=cast("Any", [forms.Script("admin-facewatch/labels.js", type="module")]))


class MaskedTargets(admin.options.BaseModelAdmin):
    """Shows what may be secret in a target to those alone who may change it."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)
        if self.has_change_permission(request):
            return fields
        return ["target_shown" if name == "target" else name for name in fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [*super().get_readonly_fields(request, obj), "target_shown"]

    @admin.display(description=_lazy("target"), ordering="target")
    def target_shown(self, subscription: Subscription) -> str:
        return mask(subscription.channel, subscription.target)


class SubscriptionInline(MaskedTargets, admin.TabularInline):
    """Who hears of a list's alerts."""

    model = Subscription
    form = SubscriptionForm
    extra = 0
    fields = ("mode", "channel", "target", "daily_at", "time_zone", "is_active")


@admin.action(permissions=["change"], description=_lazy("Switch selected on"))
def switch_on(modeladmin: Any, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
    """Make lists raise alerts again, or subscriptions be told of them."""
    _switch(modeladmin, request, queryset, on=True)


@admin.action(permissions=["change"], description=_lazy("Switch selected off"))
def switch_off(modeladmin: Any, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
    """Keep lists from raising alerts, or subscriptions from being told, until they are switched on."""
    _switch(modeladmin, request, queryset, on=False)


def _switch(modeladmin: Any, request: HttpRequest, queryset: "QuerySet[Any]", *, on: bool) -> None:
    changed = list(queryset.filter(is_active=not on))
    before = [lists.state_of(one) for one in changed if isinstance(one, WatchList)]
    # Why a recipient left is no longer so when staff has them back.
    forget = {"ended_because": ""} if on and queryset.model is Subscription else {}
    queryset.model._default_manager.filter(pk__in=[one.pk for one in changed]).update(
        is_active=on, **forget
    )
    text = _("Switched on.") if on else _("Switched off.")
    for one in changed:
        one.is_active = on
        modeladmin.log_change(request, one, text)
    for one, state in zip(changed, before, strict=False):
        lists.look_back(one, since=state)
    told = (
        ngettext("%d was switched on.", "%d were switched on.", len(changed))
        if on
        else ngettext("%d was switched off.", "%d were switched off.", len(changed))
    )
    messages.success(request, told % len(changed))


@admin.register(WatchList)
class WatchListAdmin(admin.ModelAdmin):
    """Watch-lists, with their people and who hears of them."""

    form = WatchListForm
    list_display = (
        "name",
        "is_active",
        "priority",
        "people_count",
        "threshold_in_force",
        "open_alerts",
        "created_at",
    )
    list_filter = ("is_active", "priority", "created_at")
    actions = (switch_on, switch_off)
    search_help_text = _lazy("Search by name")
    list_per_page = 50
    search_fields = ("name",)
    autocomplete_fields = ("people",)
    readonly_fields = ("effective_threshold", "created_at")
    inlines = (SubscriptionInline,)
    fieldsets = (
        (None, {"fields": ("name", "is_active", "people", "priority", "purpose", "expires_at")}),
        (
            _lazy("When an alert is raised"),
            {
                "fields": (
                    "threshold",
                    "effective_threshold",
                    "ambiguity_margin",
                    "cooldown_seconds",
                    "escalate_after_seconds",
                    "created_at",
                )
            },
        ),
        (
            _lazy("Where and at what time"),
            {
                "fields": (
                    "only_sources",
                    "except_sources",
                    ("active_from", "active_until"),
                    "active_days",
                    "time_zone",
                )
            },
        ),
        (
            _lazy("Faces of nobody who is known"),
            {"fields": ("unknown_rule", "unknown_count", "unknown_seconds")},
        ),
    )

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the pictures."""
        return super().media + pictures.MEDIA + LABELS

    def get_queryset(self, request: HttpRequest) -> "QuerySet[WatchList]":
        people = WatchList.people.through.objects.filter(watchlist=OuterRef("pk")).order_by()
        unjudged = Alert.objects.filter(watchlist=OuterRef("pk"), status=Alert.Status.OPEN)
        rows = cast("QuerySet[WatchList]", super().get_queryset(request))
        return rows.annotate(people_on_it=_count(people), alerts_open=_count(unjudged.order_by()))

    @admin.display(description=_lazy("people"), ordering="people_on_it")
    def people_count(self, watchlist: Any) -> int:
        return int(watchlist.people_on_it)

    @admin.display(description=_lazy("open alerts"), ordering="alerts_open")
    def open_alerts(self, watchlist: Any) -> int:
        return int(watchlist.alerts_open)

    @admin.display(description=_lazy("threshold"))
    def threshold_in_force(self, watchlist: WatchList) -> str:
        own = f"{watch.threshold_of(watchlist, engine=settings.ENGINE):g}"
        return own if watchlist.threshold is not None else _("%s, recommended") % own

    @admin.display(description=_lazy("threshold in force"))
    def effective_threshold(self, watchlist: WatchList) -> str:
        engine = settings.ENGINE
        recommended = engines.THRESHOLDS[engine]
        facts = {
            "recommended": recommended.alert,
            "engine": engine,
            "strangers": 1000 * recommended.fpir,
            "missed": 1000 * recommended.fnir,
        }
        if watchlist.threshold is None:
            return (
                _(
                    "%(recommended)g, as recommended for %(engine)s: with 100 people watched, %(strangers)g of 1,000"
                    " strangers raise an alarm, and %(missed)g of 1,000 photos of the people raise none"
                )
                % facts
            )
        facts["own"] = watch.threshold_of(watchlist, engine=engine)
        return _("%(own)g (%(engine)s: %(recommended)g recommended)") % facts

    def save_model(self, request: HttpRequest, obj: WatchList, form: Any, change: Any) -> None:
        """Store the list, and remember what it was like."""
        form.state_before = lists.state_of(obj)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """Store its people, and have stored faces looked through for those whom the changes concern."""
        super().save_related(request, form, formsets, change)
        if count := lists.look_back(form.instance, since=form.state_before):
            text = ngettext(
                "Stored photos are looked through for %d person.",
                "Stored photos are looked through for %d people.",
                count,
            )
            messages.info(request, text % count)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: Any) -> None:
        """Store who hears of it, and show the secrets of new webhooks."""
        super().save_formset(request, form, formset, change)
        for one in formset.forms:
            _show_secret(request, one.instance, secret=getattr(one, "new_secret", ""))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return removal.describe(WatchList, objs)


@admin.action(permissions=["change"], description=_lazy("Give selected webhooks a new secret"))
def new_secret(modeladmin: Any, request: HttpRequest, queryset: "QuerySet[Subscription]") -> None:
    """Change what webhooks are signed with; for a day their messages are signed with the one before as well."""
    hooks = list(queryset.filter(channel=Subscription.Channel.WEBHOOK))
    for hook in hooks:
        _show_secret(request, hook, secret=webhooks.rotate(hook))
        modeladmin.log_change(request, hook, _("New secret."))
    if not hooks:
        messages.warning(request, _("Only webhooks are signed: none was selected."))


def _show_secret(request: HttpRequest, subscription: Subscription, *, secret: str) -> None:
    if secret:
        facts = {"hook": mask(subscription.channel, subscription.target), "secret": secret}
        text = _("The webhook to %(hook)s is signed with %(secret)s. It is shown this once.")
        messages.warning(request, text % facts)


@admin.register(Subscription)
class SubscriptionAdmin(MaskedTargets, admin.ModelAdmin):
    """Who hears of which list's alerts, and how."""

    list_display = ("target_shown", "watchlist", "mode", "channel", "is_active", "created_at")
    list_filter = ("mode", "channel", "is_active", "watchlist")
    list_select_related = ("watchlist",)
    search_fields = ("target", "watchlist__name")
    search_help_text = _lazy("Search by target or watch-list")
    list_per_page = 50
    actions = (switch_on, switch_off, new_secret)
    autocomplete_fields = ("watchlist",)
    form = SubscriptionForm
    readonly_fields = ("ended_because",)
    fields = (
        "watchlist",
        ("mode", "channel"),
        "target",
        ("daily_at", "time_zone"),
        ("quiet_from", "quiet_until"),
        "tells_nothing_seen",
        "is_active",
        "ended_because",
    )

    @property
    def media(self) -> forms.Media:
        """The admin's own, with names for its search."""
        return super().media + LABELS

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: Any) -> None:
        """Store it, and show the secret of a new webhook."""
        super().save_model(request, obj, form, change)
        _show_secret(request, obj, secret=form.new_secret)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return removal.describe(Subscription, objs)


def _count(rows: "QuerySet[Any]") -> Coalesce:
    """Return the number of rows of a list, as a subquery, so that two counts do not multiply each other."""
    return Coalesce(
        Subquery(rows.values("watchlist").annotate(count=Count("pk")).values("count")), 0
    )
