"""Making an empty installation the one that a backup is of.

The backup is read as a whole and compared with its hashes first. Then come the files, and the rows in one transaction:
killed at any moment, the same call goes on.
"""

import shutil
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import transaction

from alerts import restoring
from facewatch.moving import MovingError, backup, databases, media, rows, sequences
from facewatch.moving.backup import Damaged, Manifest
from facewatch.moving.progress import Progress
from facewatch.moving.tables import Table, carried
from facewatch.moving.worklist import Known, Wanted
from recognition import photos
from recognition.models import Photo


def restore(folder: Path, *, was_stopped: bool, progress: Progress) -> Manifest:
    """Take a backup in; return what it held.

    `was_stopped` says that the installation that it is of has told nobody anything since. Otherwise what waited to be
    told may have been: see `alerts.restoring`. Raises MovingError; then no row was stored.
    """
    manifest = backup.read_manifest(folder)
    _check_version(manifest)
    call_command("migrate", verbosity=0, interactive=False)
    _check_empty()
    progress.files_in_all(2 * manifest.files)
    backup.verify(folder, manifest, tick=progress.files)
    source = backup.storage(folder)

    def bring(known: Known) -> None:
        try:
            is_there = media.content(default_storage, known.name) == known.sha256
        except FileNotFoundError:
            is_there = False
        if not is_there:
            media.copy(Wanted(known.name, ""), source=source, target=default_storage)

    for batch in media.in_parallel(bring, backup.index(folder, manifest)):
        progress.files(len(batch))
    progress.rows_in_all(2 * sum(table.rows for table in manifest.tables.values()))
    with transaction.atomic():
        # Looked at again by the only one who writes.
        _check_empty()
        _store_rows(folder, manifest, progress=progress)
        databases.set_birthday(manifest.installation, using="default")
        photos.delete_photos(Photo.objects.filter(pk__in=manifest.deleted))
        if not was_stopped:
            restoring.doubt_what_waited(since=datetime.fromisoformat(manifest.created_at))
    ContentType.objects.clear_cache()
    # What workers keep of the gallery is of another one.
    shutil.rmtree(settings.DATA_DIR / "gallery", ignore_errors=True)
    if manifest.secret_key:
        key = (folder / manifest.secret_key.file).read_bytes()
        backup.write_durably(settings.DATA_DIR / backup.KEY, key)
    return manifest


def _check_version(manifest: Manifest) -> None:
    code = databases.code_migrations()
    if manifest.migrations != code:
        other = {
            f"{app}.{name}"
            for one, two in ((manifest.migrations, code), (code, manifest.migrations))
            for app, names in one.items()
            for name in set(names) - set(two.get(app, []))
        }
        raise MovingError(
            f"The backup is of Facewatch {manifest.facewatch} with other tables than this version has"
            f" ({', '.join(sorted(other)[:3])}): import it with that version, and upgrade then."
        )
    columns = {table.label: table.columns for table in carried()}
    if columns != {label: held.columns for label, held in manifest.tables.items()}:
        raise MovingError(
            "The backup has other columns than this version: import it with the one that made it."
        )


def _check_empty() -> None:
    if label := databases.in_use(using="default"):
        raise MovingError(
            f"This installation is not empty (it has rows of {label}): import into a new FACEWATCH_DATA_DIR"
            " and a new database."
        )


def _store_rows(folder: Path, manifest: Manifest, *, progress: Progress) -> None:
    """Replace the rows of all tables, and compare what is there then with what the backup had."""
    tables = carried()
    for table in reversed(tables):
        rows.empty(table, using="default")
    for table in tables:
        held = manifest.tables[table.label]
        for batch in rows.batched(map(table.decode, backup.lines(folder, held))):
            rows.insert(table, batch, using="default")
            progress.rows(len(batch))
        if table.is_numbered:
            sequences.go_on_from(table, held.last_given, using="default")
    for table in tables:
        _compare(table, manifest, progress=progress)


def _compare(table: Table, manifest: Manifest, *, progress: Progress) -> None:
    held = manifest.tables[table.label]
    found = rows.digest(table, using="default", tick=progress.rows)
    if (found.rows, found.content) != (held.rows, held.content):
        raise Damaged(
            f"{table.label} came out different from the backup ({found.rows} of {held.rows} rows): nothing was stored."
        )
