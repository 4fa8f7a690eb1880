"""What the pages ask for."""

from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alerts.models import Alert, WatchList

#: Characters of a reason.
LONGEST_REASON = 1000


class AlertFilter(forms.Form):
    """Which alerts to list; what makes no sense filters nothing."""

    status = forms.ChoiceField(
        label=_("Status"),
        choices=[
            ("", _("any")),
            (Alert.Status.OPEN, Alert.Status.OPEN.label),
            (Alert.Status.UNSURE, _("can't tell: for a second look")),
            (Alert.Status.CONFIRMED, Alert.Status.CONFIRMED.label),
            (Alert.Status.DISMISSED, Alert.Status.DISMISSED.label),
        ],
        required=False,
    )
    watchlist = forms.ModelChoiceField(
        WatchList.objects.all(), label=_("Watch-list"), empty_label=_("any"), required=False
    )
    person = forms.CharField(label=_("Person"), max_length=200, required=False)

    def chosen(self) -> Q:
        """Return the filters that are in force; an empty Q if none is."""
        self.full_clean()
        wanted = Q()
        for name in ("status", "watchlist"):
            if value := self.cleaned_data.get(name):
                wanted &= Q(**{name: value})
        if part := self.cleaned_data.get("person"):
            wanted &= Q(person__name__icontains=part) | Q(person__merged_into__name__icontains=part)
        return wanted


class Verdict(forms.Form):
    """What a reviewer makes of an alert, and the version of it that they saw; who dismisses it says why."""

    status = forms.ChoiceField(choices=Alert.Status.choices)
    reason = forms.CharField(max_length=LONGEST_REASON, required=False)
    version = forms.IntegerField(min_value=1)

    def clean(self) -> dict[str, Any]:
        """Refuse to dismiss without a reason."""
        found = self.cleaned_data
        if found.get("status") == Alert.Status.DISMISSED and not found.get("reason"):
            self.add_error("reason", _("Say why it is somebody else; choose a reason."))
        return found
