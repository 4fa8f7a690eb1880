"""What the pages ask for."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django import forms
from django.utils.translation import gettext_lazy as _

from recognition.models import Person, Photo


class Choice(NamedTuple):
    """A filter in force, in words, and the name of its field."""

    field: str
    label: str
    value: str


class Moment(forms.DateTimeField):
    """A moment in UTC, to the minute or the second."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def to_python(self, value: Any) -> datetime | None:
        if isinstance(value, str) and value:
            try:
                found = datetime.fromisoformat(value)
            except ValueError:
                raise forms.ValidationError(self.error_messages["invalid"]) from None
            return found if found.tzinfo else found.replace(tzinfo=UTC)
        return None


class PhotoFilter(forms.Form):
    """Which photos to list; a field that is empty or makes no sense filters nothing."""

    stage = forms.ChoiceField(
        label=_("Stage"), choices=[("", _("any")), *Photo.Stage.choices], required=False
    )
    faces = forms.ChoiceField(
        label=_("Faces"),
        choices=[("", _("any")), ("with", _("with faces")), ("without", _("without"))],
        required=False,
    )
    person = forms.CharField(label=_("Person"), max_length=200, required=False)
    source = forms.CharField(
        label=_("Source"),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"list": "sources", "autocomplete": "off"}),
    )
    since = Moment(label=_("From (UTC)"), required=False)
    until = Moment(label=_("Until (UTC)"), required=False)

    def chosen(self) -> dict[str, Any]:
        """Return the filters that are in force, by name."""
        self.full_clean()
        return {name: value for name, value in self.cleaned_data.items() if value}

    def choices_in_words(self) -> Iterator[Choice]:
        """Yield the filters that are in force, to be shown and taken away one by one."""
        for name, value in self.chosen().items():
            field = self.fields[name]
            yield Choice(field=name, label=str(field.label), value=_in_words(field, value))


def _in_words(field: Any, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        return str(dict(choices)[value])
    return _name_of(value)


def _name_of(text: str) -> str:
    """Return the name of the person with this id; what is no id is a name already."""
    try:
        key = uuid.UUID(text)
    except ValueError:
        return text
    return Person.objects.filter(pk=key).values_list("name", flat=True).first() or text
