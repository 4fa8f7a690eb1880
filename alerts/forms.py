"""What the pages ask for."""

from django import forms
from django.utils.translation import gettext_lazy as _

from alerts.models import Alert

#: Characters of a reason.
LONGEST_REASON = 1000


class AlertFilter(forms.Form):
    """Which alerts to list; a status that makes no sense filters nothing."""

    status = forms.ChoiceField(
        label=_("Status"), choices=[("", _("any")), *Alert.Status.choices], required=False
    )

    def chosen(self) -> dict[str, str]:
        """Return the filters that are in force, by name."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}


class Verdict(forms.Form):
    """What a reviewer makes of an alert, and the version of it that they saw."""

    status = forms.ChoiceField(
        choices=[
            (Alert.Status.CONFIRMED, Alert.Status.CONFIRMED.label),
            (Alert.Status.DISMISSED, Alert.Status.DISMISSED.label),
        ]
    )
    reason = forms.CharField(label=_("Reason"), max_length=LONGEST_REASON, required=False)
    version = forms.IntegerField(min_value=1)
