"""The tables that are taken along, and their rows as lines of text that are the same on every database."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

import numpy as np
from django.apps import apps
from django.db.models import Field, Model

from recognition.models import EmbeddingField

#: What stays behind, and why.
LEFT_OUT = {
    "sessions.Session": "whoever is signed in signs in again",
    "ledger.Worker": "workers report themselves where they run",
    "recognition.Search": "a search is answered within seconds, and whoever asked is gone",
}
#: From here on a float is written with an exponent, which PostgreSQL's JSON gives back as a whole number.
LARGE = 1e16


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table, by its model."""

    model: type[Model]

    @property
    def label(self) -> str:
        """The model's name, as `recognition.Photo`."""
        return self.model._meta.label

    @cached_property
    def fields(self) -> "list[Field[Any, Any]]":
        """Its columns."""
        return list(self.model._meta.concrete_fields)

    @cached_property
    def columns(self) -> list[str]:
        """Their names."""
        return [field.attname for field in self.fields]

    @cached_property
    def key_place(self) -> int:
        """Which of them is the primary key."""
        return next(place for place, field in enumerate(self.fields) if field.primary_key)

    @property
    def is_numbered(self) -> bool:
        """Whether the database numbers its rows."""
        kind = self.fields[self.key_place].get_internal_type()
        return kind in {"AutoField", "BigAutoField", "SmallAutoField"}

    def encode(self, row: Sequence[Any]) -> str:
        """Return a row as a line, without its end."""
        return json.dumps([_plain(value) for value in row], sort_keys=True, separators=(",", ":"))

    def decode(self, line: str) -> list[Any]:
        """Return the row that a line stands for."""
        values = json.loads(line)
        return [_value(field, value) for field, value in zip(self.fields, values, strict=True)]


def carried() -> list[Table]:
    """Return the tables that are taken along, each after those that its rows refer to."""
    models = [
        model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed and model._meta.label not in LEFT_OUT
    ]
    order: TopologicalSorter[type[Model]] = TopologicalSorter()
    for model in models:
        named = {field.related_model for field in model._meta.concrete_fields} - {None, model}
        order.add(model, *(other for other in models if other in named))
    return [Table(model=model) for model in order.static_order()]


class Digest:
    """A number for a set of rows that does not depend on their order: the sum of their SHA-256, and their count."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, line: str) -> None:
        """Count a row in."""
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(line.encode()).digest())

    @property
    def content(self) -> str:
        """The number, as 64 hexadecimal digits."""
        return f"{self._sum % 2**256:064x}"


def _value(field: "Field[Any, Any]", value: Any) -> Any:
    """Return a column's value as its rows have it, from what JSON has."""
    if isinstance(field, EmbeddingField) and value is not None:
        return np.frombuffer(base64.b64decode(value), dtype="<f4")
    return field.to_python(value)


def _plain(value: Any) -> Any:
    """Return a column's value as JSON has it, alike whichever database it comes from."""
    if isinstance(value, np.ndarray):
        value = value.astype("<f4").tobytes()
    match value:
        case bytes() | memoryview():
            return base64.b64encode(value).decode()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case float():
            return _number(value)
    # What JSON knows; it raises TypeError for the rest.
    return _json(value)


def _json(value: Any) -> Any:
    """Return the value of a JSON column as both databases keep it."""
    match value:
        case float() if abs(value) >= LARGE and value.is_integer():
            return int(value)
        case float():
            return _number(value)
        case list():
            return [_json(item) for item in value]
        case dict():
            return {name: _json(item) for name, item in value.items()}
    return value


def _number(value: float) -> float:
    # SQLite knows no negative zero.
    return value + 0.0
