"""UPDATEs that are put together once and sent many times.

Django takes some 0.7 ms to put one together, of which a photo needs five, and a database 0.1 ms to carry it out. So
what changes from one time to the next is `Given` when it is sent; the conditions are still those that are written as Q.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, Generic, TypeVar, cast

from django.db import connection
from django.db.models import Expression, Func, Model, QuerySet, TextField, Value
from django.db.models.lookups import Exact
from django.db.models.sql import UpdateQuery

M = TypeVar("M", bound=Model)


class Given(Expression):
    """A value that is told when the statement is sent; a time may lie some way `after` the one that is told."""

    def __init__(self, name: str, *, field: Any, after: timedelta | None = None) -> None:
        super().__init__(output_field=field)
        self.name, self.after = name, after

    def __add__(self, other: Any) -> Any:
        return Given(self.name, field=self.output_field, after=other + (self.after or timedelta()))

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]

    def of(self, values: Mapping[str, Any]) -> Any:
        """Return the value, as the database takes it."""
        value = values[self.name]
        return self.output_field.get_db_prep_save(
            value + self.after if self.after else value, connection=connection
        )


@dataclass(frozen=True, kw_only=True)
class Statement(Generic[M]):
    """An UPDATE of one model."""

    model: type[M]
    sql: str
    parameters: tuple[Any, ...]

    def send(self, **values: Any) -> int:
        """Carry it out with these values; return how many rows were changed."""
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self._told(values))
            return int(cursor.rowcount)

    def fetch(self, **values: Any) -> M | None:
        """Carry it out with these values; return the row that was changed, as it is now."""
        row = _row_of(self.model)
        with connection.cursor() as cursor:
            cursor.execute(f"{self.sql} RETURNING {row.columns}", self._told(values))
            found = cursor.fetchall()
        return row.read(found[0]) if found else None

    def _told(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            parameter.of(values) if isinstance(parameter, Given) else parameter
            for parameter in self.parameters
        ]


@dataclass(frozen=True, kw_only=True)
class _Row(Generic[M]):
    """How the database returns a row of a model."""

    model: type[M]
    columns: str
    names: list[str]
    #: Places of columns whose values are to be converted, with what says which and the functions that do.
    converted: list[tuple[int, Any, list[Any]]]

    def read(self, values: Sequence[Any]) -> M:
        """Return the row of these values."""
        made = list(values)
        for place, column, converters in self.converted:
            for convert in converters:
                made[place] = convert(made[place], column, connection)
        return self.model.from_db(connection.alias, self.names, made)


@cache
def _row_of(model: type[M]) -> _Row[M]:
    fields = model._meta.concrete_fields
    columns = [field.get_col(model._meta.db_table) for field in fields]
    converters = [
        [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
        for column in columns
    ]
    return _Row(
        model=model,
        columns=", ".join(connection.ops.quote_name(str(field.column)) for field in fields),
        names=[field.attname for field in fields],
        converted=[
            (place, column, functions)
            for place, (column, functions) in enumerate(zip(columns, converters, strict=True))
            if functions
        ],
    )


def field_of(model: type[Model], name: str) -> Any:
    """Return a field of a model, by its name or "pk"."""
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def given(model: type[Model], name: str, *, like: str = "") -> Given:
    """Return a value by its name, of the field of that name or of another one."""
    return Given(name, field=field_of(model, like or name))


def update(
    rows: "QuerySet[M]", fields: Mapping[str, Any], *, is_durable: bool = True
) -> Statement[M]:
    """Return the UPDATE of these rows that sets these fields; either may have values that are `Given`.

    One that is not durable does not wait for the disk. It is there for everybody at once; a crash of the database may
    undo the last of them, in order, and none that came before something durable.
    """
    if not is_durable and connection.vendor == "postgresql":
        # Of this transaction alone; SQLite in WAL mode never waits for the disk.
        asynchronous = Func(
            *(Value(setting) for setting in ("synchronous_commit", "off", True)),
            function="set_config",
            output_field=TextField(),
        )
        rows = rows.filter(Exact(asynchronous, "off"))
    query = cast("UpdateQuery", rows.query.chain(UpdateQuery))
    query.add_update_values(dict(fields))
    sql, parameters = query.get_compiler(connection=connection).as_sql()
    return Statement(model=rows.model, sql=sql, parameters=tuple(parameters))
