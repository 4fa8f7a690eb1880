"""What is taken along: every table, and every value as it is on either database."""

import uuid
from datetime import UTC, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.db.models import FileField

from facewatch.moving import databases
from facewatch.moving.tables import LEFT_OUT, Digest, Table, carried
from recognition.models import Embedding, Photo, Tombstone
from tests.facewatch.moving import contents

#: Models whose files `facewatch.moving.media` names.
WITH_FILES = {"recognition.Batch", "recognition.Photo"}
VECTOR = np.array([1e-40, 3.4e38], np.float32)


def labels() -> set[str]:
    return {model._meta.label for model in apps.get_models(include_auto_created=True)}


def test_every_table_is_taken_along_or_left_out_for_a_reason() -> None:
    assert {table.label for table in carried()} | LEFT_OUT.keys() == labels()
    assert all(LEFT_OUT.values())


def test_the_files_of_every_table_that_names_some_are_taken_along() -> None:
    naming = {
        table.label
        for table in carried()
        if any(isinstance(field, FileField) for field in table.fields)
    }
    assert naming == WITH_FILES


def test_what_rows_refer_to_comes_before_them() -> None:
    order = [table.model for table in carried()]
    for place, model in enumerate(order):
        named = {field.related_model for field in model._meta.concrete_fields} - {None, model}
        assert all(order.index(other) < place for other in order if other in named)


def test_nothing_that_is_taken_along_refers_to_what_is_left_out() -> None:
    for table in carried():
        for field in table.fields:
            if field.related_model:
                assert field.related_model._meta.label not in LEFT_OUT


def test_the_furnished_installation_has_something_in_every_table(living: Path) -> None:
    assert [label for label, (rows, _) in contents().items() if not rows] == []


def test_tables_of_a_first_start_are_tables() -> None:
    assert {table.label for table in carried()} >= databases.FURNISHED


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (-0.0, 0.0),
        ([1e22, -0.0], [10**22, 0.0]),
        ({"b": [1e16], "a": None}, {"a": None, "b": [10**16]}),
        (VECTOR, VECTOR.tobytes()),
        (memoryview(b"bytes"), b"bytes"),
        (
            datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 1, 2, 1, tzinfo=UTC),
        ),
    ],
    ids=["zero", "large", "order", "vector", "bytes", "zone"],
)
def test_what_databases_give_back_differently_is_one_line(one: Any, other: Any) -> None:
    table = Table(model=Tombstone)
    assert table.encode([one]) == table.encode([other])


def test_a_line_becomes_the_row_again() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    values = {"id": uuid.uuid4(), "created_at": now, "source": 'a "\0☂', "captured_at": None}
    table = Table(model=Photo)
    row = [values.get(column) for column in table.columns]
    assert table.decode(table.encode(row)) == row
    vectors = Table(model=Embedding)
    *_, back = vectors.decode(vectors.encode([1, uuid.uuid4(), "opencv", VECTOR]))
    assert back.tobytes() == VECTOR.tobytes()


def test_a_value_of_an_unknown_kind_is_an_error_and_no_guess() -> None:
    with pytest.raises(TypeError):
        Table(model=Tombstone).encode([time])


def test_a_digest_tells_rows_apart_and_not_their_order() -> None:
    one, other, third = Digest(), Digest(), Digest()
    for digest, lines in ((one, "abb"), (other, "bab"), (third, "aab")):
        for line in lines:
            digest.add(line)
    assert one.content == other.content != third.content
