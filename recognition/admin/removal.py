"""What goes along with what: told before staff deletes something, instead of Django's own list.

Django's would list every sighting by name and bypass the gallery. Here each kind of thing that goes is counted by one
query; an app above registers what it adds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Q
from django.utils.text import capfirst

#: What get_deleted_objects answers: the lines shown, counts by name, missing permissions, protected objects.
Deletion = tuple[list[Any], dict[str, int], set[str], list[str]]


@dataclass(frozen=True, kw_only=True)
class Along:
    """Rows of `model` go with the objects that their `lookup` names, if they are like `only`."""

    model: type[Model]
    lookup: str
    name: Any
    only: Q


_ALONG: dict[type[Model], list[Along]] = {}


def register(
    owner: type[Model], model: type[Model], *, lookup: str, name: Any = "", only: Q | None = None
) -> None:
    """Make known that rows of `model` go with an `owner`, and how they are called (the model's plural unless given)."""
    called = name or model._meta.verbose_name_plural
    along = Along(model=model, lookup=lookup, name=called, only=only or Q())
    _ALONG.setdefault(owner, []).append(along)


def describe(owner: type[Model], objects: Iterable[Model]) -> Deletion:
    """Return what deleting these objects takes along. The permission to delete them covers all of that."""
    gone = list(objects)
    counts = {str(owner._meta.verbose_name_plural): len(gone)}
    for along in _ALONG.get(owner, []):
        rows = along.model._default_manager.filter(along.only, **{f"{along.lookup}__in": gone})
        counts[str(along.name)] = rows.order_by().distinct().count()
    lines = [f"{capfirst(str(owner._meta.verbose_name))}: {one}" for one in gone]
    return lines, counts, set(), []


def forget_names(objects: Iterable[Model]) -> None:
    """Replace the names in the admin's own log, which would outlive the objects, by the beginnings of their ids."""
    for one in objects:
        LogEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(one), object_id=str(one.pk)
        ).update(object_repr=f"{one._meta.verbose_name} {str(one.pk)[:8]}")
