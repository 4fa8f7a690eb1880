"""The forms of a watch-list and of a subscription: days as boxes, sources a line each, hours with both ends."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from alerts import targets, ways, webhooks
from alerts.models import Subscription, WatchList

#: Days of the week as they are stored.
DAYS = [
    (1, _lazy("Monday")),
    (2, _lazy("Tuesday")),
    (3, _lazy("Wednesday")),
    (4, _lazy("Thursday")),
    (5, _lazy("Friday")),
    (6, _lazy("Saturday")),
    (7, _lazy("Sunday")),
]


class Lines(forms.CharField):
    """A list of texts, a line each."""

    widget = forms.Textarea(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip() for line in (value or "").splitlines() if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool((initial or []) != self.to_python(data))


class WatchListForm(forms.ModelForm):
    """A watch-list with its rules."""

    active_days = forms.TypedMultipleChoiceField(
        choices=DAYS,
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label=_lazy("Active days"),
        help_text=_lazy("The day on which the hours begin. None: every day."),
    )
    only_sources = Lines(
        required=False,
        label=_lazy("Only these sources"),
        help_text=_lazy("A line each. Empty: all sources."),
    )
    except_sources = Lines(
        required=False, label=_lazy("Not these sources"), help_text=_lazy("A line each.")
    )

    class Meta:
        model = WatchList
        fields = ("active_days", "only_sources", "except_sources", "purpose")
        widgets = {"purpose": forms.Textarea(attrs={"rows": 2})}

    def clean(self) -> dict[str, Any]:
        """Refuse hours of which one end is missing."""
        found = super().clean() or self.cleaned_data
        _check_both(self, "active_from", "active_until")
        return found


class SubscriptionForm(forms.ModelForm):
    """Who hears of a list, how and when."""

    #: What a new webhook is signed with; shown once.
    new_secret = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("channel")
        if isinstance(field, forms.ChoiceField):
            # Its own stays, also if it is not offered any more.
            offered = {*ways.offered(), self.initial.get("channel")}
            field.choices = [one for one in Subscription.Channel.choices if one[0] in offered]

    def clean(self) -> dict[str, Any]:
        """Refuse hours of which one end is missing."""
        found = super().clean() or self.cleaned_data
        _check_both(self, "quiet_from", "quiet_until")
        asked = {"channel", "target", "mode"}
        # What was stored before may be switched off whatever it is.
        if asked <= found.keys() and asked & set(self.changed_data):
            try:
                # Only staff comes here.
                targets.check(found["channel"], found["target"], mode=found["mode"])
            except ValidationError as error:
                self.add_error(None, error)
        return found

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # of Django's own
        if webhooks.give_secret(self.instance):
            self.new_secret = self.instance.secret
        if self.instance.is_active:
            self.instance.ended_because = ""


def _check_both(form: forms.ModelForm, start: str, end: str) -> None:
    given = [form.cleaned_data.get(name) for name in (start, end)]
    if start in form.fields and (given[0] is None) != (given[1] is None):
        form.add_error(
            end if given[1] is None else start, _("Give both ends of the hours, or none.")
        )
