"""What the pages of people ask for."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

#: How the grid of people may be ordered, as `people_browsing.ORDERS` knows it.
ORDERS = [("name", _("by name")), ("seen", _("last seen first")), ("newest", _("newest first"))]


class PersonForm(forms.Form):
    """Who somebody is."""

    name = forms.CharField(
        label=_("Name"),
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "words"}),
    )
    notes = forms.CharField(
        label=_("Notes"), required=False, widget=forms.Textarea(attrs={"rows": 4})
    )


class PeopleFilter(forms.Form):
    """Which people to list, and how; a field that is empty or makes no sense filters nothing."""

    search = forms.CharField(
        label=_("Name"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    order = forms.ChoiceField(label=_("Order"), choices=ORDERS, required=False)
    unknown = forms.BooleanField(label=_("Cannot be recognised yet"), required=False)

    def chosen(self) -> dict[str, Any]:
        """Return what is asked for, by name."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}
