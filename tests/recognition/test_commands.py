"""Folders are ingested and enrolled; what cannot be done is said in one line."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from demo import photos as demo_photos
from recognition.models import Person, Photo
from tests import make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("photos_folder")]


@pytest.fixture
def admin() -> Any:
    return make.user("admin", is_superuser=True)


def run(*arguments: Any, **options: Any) -> str:
    output = StringIO()
    call_command(*map(str, arguments), stdout=output, **options)
    return output.getvalue()


def copy(name: str, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / name
    target.write_bytes(demo_photos.path(name).read_bytes())
    return target


def test_ingested_photos_are_their_owners_and_come_after_others(tmp_path: Path, admin: Any) -> None:
    copy("hopper.jpg", tmp_path / "deep" / "er")
    copy("sunak.jpg", tmp_path / ".hidden")
    run("ingest", tmp_path, source="gate")
    photo = Photo.objects.get()
    assert (photo.owner, photo.source, photo.stage) == (admin, "gate", "uploaded")
    assert photo.priority < 0


def test_another_owner_can_be_named(tmp_path: Path, admin: Any) -> None:
    uma = make.user("uma")
    run("ingest", copy("hopper.jpg", tmp_path), owner="uma")
    assert Photo.objects.get().owner == uma


def test_a_file_that_cannot_be_read_is_a_line_and_the_others_are_kept(
    tmp_path: Path, admin: Any
) -> None:
    copy("hopper.jpg", tmp_path)
    (tmp_path / "text.jpg").write_text("text")
    output = run("ingest", tmp_path / "text.jpg", tmp_path / "hopper.jpg")
    assert "text.jpg: This is not a JPEG, PNG or WebP picture." in output
    assert Photo.objects.count() == 1


def test_a_file_that_is_too_large_is_a_line(tmp_path: Path, admin: Any, settings: Any) -> None:
    settings.MAX_UPLOAD_BYTES = 10
    copy("hopper.jpg", tmp_path)
    with pytest.raises(CommandError, match="None of the files"):
        run("ingest", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "options", "line"),
    [
        (["ingest", "nowhere"], {}, "nowhere is not there"),
        (["ingest", "."], {"owner": "nobody"}, "There is no user 'nobody'"),
        (["ingest", "."], {"source": "x" * 101}, "100 characters"),
        (["enrol", "nowhere"], {}, "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], options: dict[str, str], line: str, admin: Any
) -> None:
    with pytest.raises(CommandError, match=line):
        run(*arguments, **options)


def test_a_folder_without_people_in_it_is_said(tmp_path: Path, admin: Any) -> None:
    copy("hopper.jpg", tmp_path)
    with pytest.raises(CommandError, match="make one per person"):
        run("enrol", tmp_path)


def test_without_a_superuser_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"manage\.py prepare"):
        run("ingest", copy("hopper.jpg", tmp_path))


def test_enrolling_again_adds_to_the_person_of_that_name(tmp_path: Path, admin: Any) -> None:
    ada = make.person("Grace Hopper")
    copy("hopper.jpg", tmp_path / "Grace_Hopper")
    (tmp_path / "Grace_Hopper" / "bad.jpg").write_text("text")
    output = run("enrol", tmp_path, no_wait=True)
    assert "bad.jpg: This is not" in output
    assert Person.objects.get() == ada
    assert Photo.objects.get().person == ada
    assert "known" in run("enrol", tmp_path, no_wait=True)
