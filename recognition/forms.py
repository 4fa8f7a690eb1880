"""What the pages ask for."""

from django import forms
from django.utils.translation import gettext_lazy as _

from recognition.models import Photo


class PhotoFilter(forms.Form):
    """Which photos to list; a field that is empty or makes no sense filters nothing."""

    stage = forms.ChoiceField(
        label=_("Stage"), choices=[("", _("any")), *Photo.Stage.choices], required=False
    )
    source = forms.CharField(label=_("Source"), max_length=100, required=False)
    person = forms.CharField(label=_("Person"), max_length=200, required=False)

    def chosen(self) -> dict[str, str]:
        """Return the filters that are in force, by name."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}
