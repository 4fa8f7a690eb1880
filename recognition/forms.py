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


def _in_utc(text: str) -> datetime:
    """Return the moment of an ISO 8601 text, in UTC unless it says otherwise. Raises ValueError, OverflowError."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


class MomentInput(forms.DateTimeInput):
    """The browser's own field for day and time, which knows neither offsets nor parts of a second."""

    def __init__(self) -> None:
        super().__init__(attrs={"type": "datetime-local", "step": "any"})

    def format_value(self, value: Any) -> str | None:
        try:
            moment = _in_utc(value)
        except (TypeError, ValueError, OverflowError):
            return None
        timespec = "seconds" if moment.second else "minutes"
        return moment.replace(tzinfo=None).isoformat(timespec=timespec)


class Moment(forms.DateTimeField):
    """A moment in UTC, to the minute or the second."""

    widget = MomentInput

    def to_python(self, value: Any) -> datetime | None:
        if not isinstance(value, str) or not value:
            return None
        try:
            return _in_utc(value)
        except (ValueError, OverflowError):
            raise forms.ValidationError(self.error_messages["invalid"]) from None


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
            field: Any = self.fields[name]
            if isinstance(value, datetime):
                text = f"{value:%Y-%m-%d %H:%M}"
            elif name == "person":
                text = _name_of(value)
            else:
                text = str(dict(getattr(field, "choices", [])).get(value, value))
            yield Choice(field=name, label=str(field.label), value=text)


def _name_of(person: str) -> str:
    """Return the name of the person with this id; what is no id is a part of a name already."""
    try:
        key = uuid.UUID(person)
    except ValueError:
        return person
    return Person.objects.filter(pk=key).values_list("name", flat=True).first() or person
