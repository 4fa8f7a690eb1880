"""How the page of the queue shows each model of work, as its app registers it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _lazy

from ledger import leases
from ledger.models import Work

#: What is offered where nothing else is said.
ONE_AGAIN = _lazy("Try again")
CHOSEN_AGAIN, ALL_AGAIN = _lazy("Try the chosen again"), _lazy("Try all again")


def nowhere(*_: Any) -> str:
    """Return no address: there is no page of it."""
    return ""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What staff can do about rows that came to a bad end: `apply` does it and returns to how many."""

    permission: str
    #: What one row, the chosen ones, and all of them is answered to.
    one: Any = ONE_AGAIN
    chosen: Any = CHOSEN_AGAIN
    every: Any = ALL_AGAIN
    apply: "Callable[[QuerySet[Any]], int]" = leases.retry_all
    #: What to know before; empty if nothing.
    warning: Any = ""


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """One model on the page: its names, what is counted of it, and where its rows are managed."""

    model: type[Work]
    title: Any
    #: Stage of what was done, and those of what came to a bad end.
    done: str
    bad: tuple[str, ...]
    #: Rows among which those that came to a bad end are told and treated.
    rows: "Callable[[], QuerySet[Any]]"
    #: What a row is called among its like.
    row_name: Callable[[Any], str]
    #: The address of a row by its id, and of the list of those in a stage ("" for all), for a user; empty for none.
    row_address: Callable[[Any, Any], str] = nowhere
    list_address: Callable[[str, Any], str] = nowhere
    remedy: Remedy | None = None
    #: Stages that are counted besides: those that one index holds together, and those counted over the last day alone.
    counted: tuple[tuple[str, ...], ...] = ()
    counted_of_late: tuple[str, ...] = ()
    #: Whether its rows stay, so that it has a history.
    is_kept: bool = True

    @property
    def key(self) -> str:
        """The model's name in forms and addresses."""
        return str(self.model._meta.model_name)

    @property
    def subject(self) -> str:
        """What the minutes of its history are stored under."""
        return str(self.model._meta.label_lower)

    def ids(self, texts: Iterable[str]) -> list[Any]:
        """Return the ids that these texts stand for; what is no id of the model's kind is passed over."""
        found = []
        for text in texts:
            try:
                found.append(self.model._meta.pk.to_python(text))
            except ValidationError:
                continue
        return found

    def may_view(self, user: Any) -> bool:
        """Return whether somebody may see single rows."""
        options = self.model._meta
        return bool(user.has_perm(f"{options.app_label}.view_{options.model_name}"))

    def may_remedy(self, user: Any) -> bool:
        """Return whether somebody may do something about rows that came to a bad end."""
        return bool(self.remedy and user.has_perm(self.remedy.permission))


#: All of them by key, in the order of the page.
EXHIBITS: dict[str, Exhibit] = {}


def register(exhibit: Exhibit) -> None:
    """Let a model be shown."""
    EXHIBITS[exhibit.key] = exhibit
