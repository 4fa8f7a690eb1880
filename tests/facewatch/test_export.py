"""A backup: of one moment, taken again cheaply, and whole or refused."""

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from facewatch.moving import MovingError, backup, exporting, media
from facewatch.moving.worklist import Worklist
from recognition import photos
from recognition.models import Face, Photo
from tests import make
from tests.facewatch import moving
from tests.facewatch.moving import SILENT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def export(folder: Path) -> tuple[str, str]:
    output, errors = StringIO(), StringIO()
    call_command("export", str(folder), stdout=output, stderr=errors)
    return output.getvalue(), errors.getvalue()


def verify(folder: Path) -> str:
    output = StringIO()
    call_command("export", str(folder), "--verify", stdout=output)
    return output.getvalue()


def stored(folder: Path) -> dict[str, int]:
    """The files of a backup, and which file on the disk each is: a copy would be another one."""
    found = {path: path.stat() for path in (folder / "media").rglob("*") if path.is_file()}
    return {path.name: state.st_ino for path, state in found.items()}


def test_a_backup_has_every_file_and_every_row(living: Path, folder: Path) -> None:
    said, errors = export(folder)
    assert errors == ""
    manifest = backup.read_manifest(folder)
    assert "with the secret key" in said
    held = {label: (table.rows, table.content) for label, table in manifest.tables.items()}
    assert held == moving.contents()
    assert moving.files(backup.storage(folder)) == moving.files()
    assert manifest.files == len(moving.files())
    assert "is whole" in verify(folder)


def test_nobody_else_reads_a_backup(living: Path, folder: Path) -> None:
    export(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in (folder / "manifest.json", folder / "secret_key", *folder.glob("rows/*/*")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_same_folder_again_takes_what_is_new_and_drops_what_was_deleted(
    living: Path, folder: Path
) -> None:
    export(folder)
    before = stored(folder)
    gone = Photo.objects.get(source="gate")
    chips = {f"{face.pk}.png" for face in gone.faces.all()}
    photos.delete_photos([gone])
    new = make.upload("ardern-2018.jpg")
    export(folder)
    assert moving.files(backup.storage(folder)) == moving.files()
    assert not chips & stored(folder).keys()
    kept = {name for name in before.keys() & stored(folder).keys() if name.endswith(".png")}
    assert all(stored(folder)[name] == before[name] for name in kept)
    assert (folder / "media" / str(new.image.name)).exists()
    assert len(list((folder / "rows").iterdir())) == 1
    verify(folder)


def test_a_picture_that_was_written_anew_is_taken_anew(living: Path, folder: Path) -> None:
    export(folder)
    photo = Photo.objects.get(purpose="enrolment")
    default_storage.save(photo.picture_name, ContentFile(b"another"))
    export(folder)
    assert (folder / "media" / photo.picture_name).read_bytes() == b"another"
    verify(folder)


def test_an_export_that_was_interrupted_leaves_the_backup_before_whole(
    living: Path, folder: Path
) -> None:
    export(folder)
    before = backup.read_manifest(folder)
    photo = Photo.objects.get(purpose="enrolment")
    default_storage.save(photo.picture_name, ContentFile(b"another"))
    make.upload("ardern-2018.jpg")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exporting.export(folder, progress=replace(SILENT, files=stop))
    assert backup.read_manifest(folder) == before
    verify(folder)
    export(folder)
    verify(folder)
    assert moving.files(backup.storage(folder)) == moving.files()


def test_a_photo_that_is_deleted_while_it_is_copied_is_noted_and_no_error(
    living: Path, tmp_path: Path
) -> None:
    gone = Photo.objects.get(purpose="enrolment")
    with Worklist(tmp_path / "list") as worklist:
        worklist.want(media.named(using="default"))
        photos.delete_photos([gone])
        files = media.transfer(
            worklist,
            source=default_storage,
            target=backup.storage(tmp_path),
            tick=lambda _: None,
        )
    assert files.deleted == {str(gone.pk)}
    assert files.missing == []


@pytest.mark.parametrize("how", ["missing", "altered"])
def test_what_the_storage_lost_is_named(living: Path, folder: Path, how: str) -> None:
    name = str(Photo.objects.get(purpose="enrolment").image.name)
    if how == "missing":
        default_storage.delete(name)
    else:
        default_storage.save(name, ContentFile(b"other bytes"))
    _, errors = export(folder)
    assert errors.splitlines() == [f"{name}: the storage does not have it as the database says."]
    assert backup.read_manifest(folder).missing == [name]
    verify(folder)


def test_a_picture_that_is_not_written_yet_is_not_missing(living: Path, folder: Path) -> None:
    waiting = Photo.objects.get(stage="uploaded")
    _, errors = export(folder)
    assert errors == ""
    assert not (folder / "media" / waiting.picture_name).exists()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "manifest": lambda folder: flip(folder / "manifest.json"),
    "rows": lambda folder: flip(next(folder.glob("rows/*/recognition.photo.jsonl.gz"))),
    "list": lambda folder: next(folder.glob("rows/*/files.jsonl.gz")).unlink(),
    "key": lambda folder: flip(folder / "secret_key"),
    "photo": lambda folder: flip(next(folder.glob("media/photos/*/*/original.jpg"))),
    "chip": lambda folder: next(folder.glob("media/photos/*/*/*.png")).unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", ["verify", "import"])
def test_a_damaged_backup_is_refused_in_one_line_and_nothing_is_stored(
    living: Path, folder: Path, damage: str, command: str
) -> None:
    export(folder)
    DAMAGES[damage](folder)
    moving.wipe()
    before = moving.contents()
    call = verify if command == "verify" else partial(call_command, "import")
    with pytest.raises(CommandError) as refused:
        call(folder)
    assert "damaged: take another backup." in str(refused.value)
    assert "\n" not in str(refused.value)
    assert moving.contents() == before
    assert moving.files() == {}


def test_a_folder_with_other_things_is_left_alone(living: Path, folder: Path) -> None:
    folder.mkdir()
    (folder / "letter.txt").write_text("keep me")
    with pytest.raises(CommandError, match="has other things in it"):
        export(folder)
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    with pytest.raises(CommandError, match="is no backup"):
        verify(folder)


def test_the_backup_of_another_installation_is_left_alone(living: Path, folder: Path) -> None:
    export(folder)
    before = backup.read_manifest(folder)
    moving.other_installation()
    with pytest.raises(CommandError, match="of another installation"):
        export(folder)
    assert backup.read_manifest(folder) == before


def test_two_exports_at_once_do_not_share_a_folder(living: Path, folder: Path) -> None:
    said: list[str] = []

    def second(_: int) -> None:
        with pytest.raises(MovingError) as refused:
            exporting.export(folder, progress=SILENT)
        said.append(str(refused.value))

    exporting.export(folder, progress=replace(SILENT, files_in_all=second))
    assert said == [f"Another export to {folder} is under way."]
    verify(folder)


def test_rows_that_come_while_it_is_made_are_not_in_it(living: Path, folder: Path) -> None:
    before = Photo.objects.count()

    def write(_: int) -> None:
        make.upload("ardern-2018.jpg")

    manifest = exporting.export(folder, progress=replace(SILENT, rows_in_all=write))
    assert Photo.objects.count() == before + 1
    assert manifest.tables["recognition.Photo"].rows == before
    assert moving.files(backup.storage(folder)).keys() < moving.files().keys()


def test_a_full_disk_is_one_line_and_the_same_call_goes_on(
    living: Path, small_disk: Any, folder: Path
) -> None:
    full = small_disk(megabytes=1)
    with pytest.raises(CommandError, match=r"No space left on device.*the same call goes on"):
        export(full / "backup")


def test_a_backup_of_a_later_format_is_refused(living: Path, folder: Path) -> None:
    export(folder)
    backup.write_manifest(folder, replace(backup.read_manifest(folder), format=2))
    with pytest.raises(CommandError, match="has format 2"):
        verify(folder)


def test_rows_are_plain_lines(living: Path, folder: Path) -> None:
    export(folder)
    table = backup.read_manifest(folder).tables["recognition.Face"]
    lines = list(map(json.loads, backup.lines(folder, table)))
    ids = [dict(zip(table.columns, line, strict=True))["id"] for line in lines]
    assert ids == [str(pk) for pk in Face.objects.order_by("pk").values_list("pk", flat=True)]
