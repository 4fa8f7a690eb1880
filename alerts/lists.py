"""Changes of watch-lists, after which stored faces are looked through for those whom they concern."""

import uuid
from collections.abc import Iterable
from typing import Any, NamedTuple

from alerts.models import WatchList
from recognition import lookback
from recognition.models import LookBack, Person

#: What makes alerts of sightings that were none before, if it is changed.
RULES = (
    *("threshold", "ambiguity_margin", "is_active", "expires_at"),
    *("only_sources", "except_sources", "active_from", "active_until", "active_days", "time_zone"),
)


class State(NamedTuple):
    """What a list was like: its people and its rules; of a new one nobody and none."""

    people: frozenset[uuid.UUID]
    rules: tuple[Any, ...]


def state_of(watchlist: WatchList) -> State:
    """Return what is stored of a list; two queries."""
    stored = WatchList.objects.filter(pk=watchlist.pk).values_list(*RULES).first()
    people = WatchList.people.through.objects.filter(watchlist=watchlist.pk)
    return State(
        people=frozenset(people.values_list("person", flat=True)) if stored else frozenset(),
        rules=stored or (),
    )


def look_back(watchlist: WatchList, *, since: State) -> int:
    """Have stored faces looked through for who is new on a list, or for all if its rules are; return for how many.

    None for a list that raises no alerts. Call it after the changes are stored.
    """
    if not watchlist.is_active or watchlist.is_canary:
        return 0
    now = state_of(watchlist)
    if since.rules and since.rules != now.rules:
        return _request(now.people, why=LookBack.Why.RULES)
    return _request(now.people - since.people, why=LookBack.Why.LISTED)


def set_lists(person: Person, watchlists: Iterable[WatchList]) -> None:
    """Put a person on these lists and no others; stored faces are looked through for them if one is new."""
    before = set(person.watchlists.values_list("pk", flat=True))
    chosen = list(watchlists)
    person.watchlists.set(chosen)
    if any(one.is_active for one in chosen if one.pk not in before):
        lookback.request(person, why=LookBack.Why.LISTED)


def _request(people: Iterable[uuid.UUID], *, why: str) -> int:
    found = Person.objects.filter(pk__in=list(people))
    return sum(lookback.request(person, why=why) is not None for person in found)
