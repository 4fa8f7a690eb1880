"""Settings of the recognition that name nothing are refused before anything starts."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from recognition.checks import check_pgvector
from tests.databases import only_pgvector, only_sqlite


@pytest.mark.parametrize(
    ("setting", "choices"),
    [
        ("ENGINE", "dlib, opencv"),
        ("DETAIL", "fast, balanced, thorough"),
        ("GALLERY", "exact, pgvector"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(
    setting: str, choices: str, settings: object
) -> None:
    setattr(settings, setting, "nonsense")
    with pytest.raises(SystemCheckError, match=f"FACEWATCH_{setting} .*'nonsense'") as refusal:
        call_command("check")
    assert choices in str(refusal.value)


@only_sqlite
def test_an_index_of_postgresql_is_refused_on_sqlite(settings: Settings) -> None:
    settings.GALLERY = "pgvector"
    with pytest.raises(SystemCheckError, match=r"recognition\.E004.*no PostgreSQL"):
        call_command("check")


@pytest.mark.django_db
@only_pgvector
def test_a_server_with_pgvector_is_in_order(settings: Settings) -> None:
    settings.GALLERY = "pgvector"
    assert [one.id for one in check_pgvector()] == []
