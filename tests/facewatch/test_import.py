"""A restored backup: the installation as it was, and nobody is told twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from alerts.models import Alert, Delivery, Digest
from facewatch.moving import backup, exporting, importing
from facewatch.moving.databases import birthday
from ledger import serve
from ledger.sweep import sweep
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import KnownFace, Person, Photo, Tombstone
from tests import make
from tests.facewatch import moving
from tests.facewatch.moving import SILENT

NIGHT = datetime(2026, 5, 6, 3, 15, tzinfo=UTC)


@pytest.fixture
def taken(living: Path, tmp_path: Path) -> Path:
    """A backup of an installation that is gone."""
    exporting.export(tmp_path / "backup", progress=SILENT)
    return tmp_path / "backup"


def restore(folder: Path, *options: str) -> str:
    output = StringIO()
    call_command("import", str(folder), *options, stdout=output)
    return output.getvalue()


def test_a_wiped_installation_comes_back_as_it_was(taken: Path) -> None:
    rows, files, began = moving.contents(), moving.files(), birthday(using="default")
    moving.wipe()
    moving.other_installation()
    assert moving.contents() != rows
    said = restore(taken, "--moved")
    assert "equal to the backup" in said
    assert moving.contents() == rows
    assert moving.files() == files
    # It is the same installation, whose next backup may go into the same folder.
    assert birthday(using="default") == began
    call_command("export", str(taken), stdout=StringIO())


@pytest.mark.usefixtures("any_storage")
def test_a_backup_comes_back_whatever_storage_the_files_are_in(
    transactional_db: None, photos_folder: Path, engine: Engine, known: Gallery, tmp_path: Path
) -> None:
    moving.furnish(engine=engine, known=known)
    rows, files = moving.contents(), moving.files()
    exporting.export(tmp_path / "backup", progress=SILENT)
    again = exporting.export(tmp_path / "backup", progress=SILENT)
    assert (again.files, again.missing) == (len(files), [])
    moving.wipe()
    restore(tmp_path / "backup", "--moved")
    assert (moving.contents(), moving.files()) == (rows, files)


def test_the_secret_key_comes_back(taken: Path) -> None:
    key = settings.DATA_DIR / "secret_key"
    before = key.read_text()
    moving.wipe()
    key.write_text("that of an installation that begins")
    restore(taken)
    assert key.read_text() == before


def test_a_key_from_the_environment_is_not_in_a_backup(
    living: Path, tmp_path: Path, settings: Settings
) -> None:
    settings.SECRET_KEY = "given by FACEWATCH_SECRET_KEY"
    assert exporting.export(tmp_path / "backup", progress=SILENT).secret_key is None


def test_an_interrupted_restore_shows_no_rows_and_goes_on(taken: Path) -> None:
    rows, files = moving.contents(), moving.files()
    moving.wipe()
    empty = moving.contents()

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    for progress in (replace(SILENT, files=stop), replace(SILENT, rows=stop)):
        with pytest.raises(KeyboardInterrupt):
            importing.restore(taken, was_stopped=True, progress=progress)
        assert moving.contents() == empty
    restore(taken, "--moved")
    assert (moving.contents(), moving.files()) == (rows, files)


def test_an_installation_that_is_in_use_is_refused(taken: Path) -> None:
    before = moving.contents()
    with pytest.raises(CommandError, match="is not empty") as refused:
        restore(taken)
    assert "\n" not in str(refused.value)
    assert moving.contents() == before
    moving.wipe()
    make.user("somebody")
    with pytest.raises(CommandError, match=r"rows of auth\.User"):
        restore(taken)


def test_an_installation_that_runs_is_refused(taken: Path) -> None:
    moving.wipe()
    with (
        serve.lock(Path(settings.DATA_DIR)),
        pytest.raises(CommandError, match="stop it first"),
    ):
        restore(taken)


def test_a_backup_of_another_version_is_refused_with_what_to_do(taken: Path) -> None:
    moving.wipe()
    manifest = backup.read_manifest(taken)
    later = {**manifest.migrations, "ledger": [*manifest.migrations["ledger"], "0099_later"]}
    backup.write_manifest(taken, replace(manifest, migrations=later, facewatch="9.9"))
    with pytest.raises(CommandError, match=r"Facewatch 9\.9 .*ledger\.0099_later.* upgrade then"):
        restore(taken)


def test_a_photo_that_was_deleted_while_it_was_copied_does_not_come_back(taken: Path) -> None:
    gone = Photo.objects.get(purpose="enrolment")
    known = KnownFace.objects.get(face__photo=gone)
    manifest = backup.read_manifest(taken)
    backup.write_manifest(taken, replace(manifest, deleted=[str(gone.pk)]))
    moving.wipe()
    restore(taken)
    assert not Photo.objects.filter(pk=gone.pk).exists()
    assert not any(str(gone.pk) in name for name in moving.files())
    assert Tombstone.objects.filter(known_face_id=known.pk).exists()


def test_no_number_is_given_a_second_time(taken: Path) -> None:
    (buried,) = Tombstone.objects.values_list("known_face_id", flat=True)
    assert not KnownFace.objects.filter(pk__gte=buried).exists()
    moving.wipe()
    restore(taken)
    assert make.known_face(Person.objects.get(name="Twin")).pk > buried


def owed(stage: str, *, target: str, **fields: Any) -> Delivery:
    """A delivery in a stage, of an alert of its own list."""
    person = make.person()
    watchlist = make.watchlist(f"List of {target}", people=(person,))
    mode = fields.pop("mode", "instant")
    channel = fields.pop("channel", "email")
    subscription = make.subscription(
        watchlist, target=target, mode=mode, channel=channel, tells_nothing_seen=False, **fields
    )
    return Delivery.objects.create(
        alert=make.alert(watchlist=watchlist, person=person, face=make.face()),
        subscription=subscription,
        channel=channel,
        target=target,
        mode=mode,
        stage=stage,
    )


@pytest.fixture
def owing(transactional_db: None, settings: Settings, tmp_path: Path) -> Path:
    """A backup, taken at a quarter past three, in which much waits to be told."""
    settings.MEDIA_ROOT = tmp_path / "stored"
    with time_machine.travel(NIGHT, tick=False):
        owed("pending", target="now@example.org")
        owed("pending", target="https://example.org/hook", channel="webhook")
        owed("batched", target="hourly@example.org", mode="hourly")
        owed("batched", target="daily@example.org", mode="daily")
        sending = owed("sending", target="sending@example.org")
        Delivery.objects.filter(pk=sending.pk).update(
            lease_until=timezone.now() + timedelta(minutes=3), lease_token=sending.pk
        )
        exporting.export(tmp_path / "backup", progress=SILENT)
        moving.wipe()
    return tmp_path / "backup"


def stages() -> dict[str, str]:
    found = dict(Delivery.objects.values_list("target", "stage"))
    return {target.partition("@")[0]: stage for target, stage in found.items()}


def test_what_may_have_been_told_since_is_unknown_and_what_cannot_waits(owing: Path) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=2), tick=False):
        restore(owing)
        sweep()
    assert stages() == {
        "now": "unknown",
        "hourly": "unknown",
        # Its hour, eight, has not come.
        "daily": "batched",
        # Its receiver knows what it has been told.
        "https://example.org/hook": "pending",
        "sending": "unknown",
    }
    (digest,) = Digest.objects.all()
    assert (digest.stage, digest.error_code) == ("unknown", "restored")


def test_what_staff_then_overturns_is_told_to_those_who_may_have_heard(owing: Path) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=2), tick=False):
        restore(owing)
    told = Delivery.objects.filter(stage="unknown").values_list("told_status", "told_count")
    assert set(told) == {(Alert.Status.OPEN, 1)}


def test_a_later_restore_doubts_what_was_due_by_then(owing: Path) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=6), tick=False):
        restore(owing)
    assert stages()["daily"] == "unknown"


def test_after_a_move_what_waited_is_told(owing: Path) -> None:
    with time_machine.travel(NIGHT + timedelta(hours=2), tick=False):
        restore(owing, "--moved")
        sweep()
    left = stages()
    # Nobody can know of this one, whoever moved it.
    assert left.pop("sending") == "unknown"
    assert set(left.values()) == {"pending", "batched"}
    assert not Digest.objects.exists()


def test_at_least_once_tells_what_waited(owing: Path, settings: Settings) -> None:
    settings.MAIL_GUARANTEE = "at_least_once"
    with time_machine.travel(NIGHT + timedelta(hours=2), tick=False):
        restore(owing)
    assert stages()["now"] == "pending"


@pytest.mark.parametrize(
    ("hours", "stage"), [(1, "batched"), (25, "unknown")], ids=["the same night", "a day later"]
)
def test_what_is_held_in_quiet_hours_is_doubted_once_they_were_over(
    transactional_db: None, settings: Settings, tmp_path: Path, hours: int, stage: str
) -> None:
    settings.MEDIA_ROOT = tmp_path / "stored"
    with time_machine.travel(NIGHT, tick=False):
        owed("batched", target="quiet@example.org", quiet_from="22:00", quiet_until="06:00")
        exporting.export(tmp_path / "backup", progress=SILENT)
        moving.wipe()
    with time_machine.travel(NIGHT + timedelta(hours=hours), tick=False):
        restore(tmp_path / "backup")
    assert stages() == {"quiet": stage}
