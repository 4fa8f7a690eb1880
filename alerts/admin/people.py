"""What watch-lists add to the admin of people: on which lists somebody is.

Recognition does not know of watch-lists, so its admin of people is replaced here by one that extends it. An inline of
the rows between lists and people would need no replacing, but it asks for a row per list, cannot be read at a glance,
and wants permissions on a table that nobody should have to think of.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from alerts import lists
from alerts.models import Alert, WatchList
from recognition.admin import PersonAdmin, removal
from recognition.admin.people import PersonForm
from recognition.models import Person, Photo

removal.register(Person, Alert, lookup="person")
removal.register(Photo, Alert, lookup="photo")


class WatchedPersonForm(PersonForm):
    """A person, with the lists that they are on."""

    watchlists = forms.ModelMultipleChoiceField(
        WatchList.objects.all(),
        label=_lazy("Watch-lists"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_lazy("Each list raises an alert when the person is seen."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if field := self.fields.get("watchlists"):
            field.initial = self.instance.watchlists.all()


admin.site.unregister(Person)


@admin.register(Person)
class WatchedPersonAdmin(PersonAdmin):
    """People, and the lists that they are on, which those choose who may change lists."""

    form = WatchedPersonForm
    list_display = ("face_chip", "name", "known_count", "lists", "created_at")
    list_filter = (*PersonAdmin.list_filter, "watchlists")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Person]":
        return super().get_queryset(request).prefetch_related("watchlists")

    @admin.display(description=_lazy("watch-lists"))
    def lists(self, person: Any) -> str:
        return ", ".join(watchlist.name for watchlist in person.watchlists.all())

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        chosen = self._may_write(request, obj) and self._may_choose(request)
        if not chosen and obj is None:
            return super().get_fieldsets(request, obj)
        first, *others = super().get_fieldsets(request, obj)
        lists = (_("Watch-lists"), {"fields": ["watchlists" if chosen else "lists"]})
        return [first, lists, *others]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        # A field of the form's own is left out of it by being read-only, not by being in no fieldset.
        closed = () if self._may_choose(request) else ("watchlists",)
        return (*super().get_readonly_fields(request, obj), "lists", *closed)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        super().save_related(request, form, formsets, change)
        if "watchlists" in form.cleaned_data:
            lists.set_lists(form.instance, form.cleaned_data["watchlists"])

    def _may_choose(self, request: HttpRequest) -> bool:
        return request.user.has_perm("alerts.change_watchlist")
