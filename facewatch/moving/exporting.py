"""Writing a backup: rows of one moment, then the files that they name.

The same folder again takes over what has not changed. Until the manifest is replaced, in the last step, the backup
before is whole.
"""

import fcntl
import gzip
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connections
from django.utils import timezone

from facewatch.moving import MovingError, backup, databases, media, sequences
from facewatch.moving.backup import Manifest, Part, Rows
from facewatch.moving.progress import Progress
from facewatch.moving.rows import Tick, batched, count, read
from facewatch.moving.tables import Digest, Table, carried
from facewatch.moving.worklist import Worklist

#: How hard rows are packed, 1 to 9: embeddings, most of them, cannot be.
PACKING = 3
#: In which a lock keeps out a second one at work on the same folder.
LOCK = "export.lock"


def export(folder: Path, *, progress: Progress) -> Manifest:
    """Make a folder the backup of this installation, which may go on working; return what is in it.

    Raises MovingError; then the backup that was in the folder is still the one that is.
    """
    databases.check_current(using="default")
    with _ours(folder), Worklist(folder / backup.WORKLIST) as worklist:
        moment = timezone.now()
        place = f"{backup.ROWS}/{moment:%Y%m%dT%H%M%S%f}"
        (folder / place).mkdir(mode=0o700, parents=True)
        with databases.snapshot() as alias:
            tables = carried()
            progress.rows_in_all(sum(count(table, using=alias) for table in tables))
            rows = {
                table.label: _write_table(folder, place, table, using=alias, tick=progress.rows)
                for table in tables
            }
            migrations = databases.migrations(using=alias)
            installation = databases.birthday(using=alias)
            progress.files_in_all(worklist.want(media.named(using=alias)))
        files = media.transfer(
            worklist, source=default_storage, target=backup.storage(folder), tick=progress.files
        )
        index = _write_index(folder, place, worklist)
        backup.sync(folder / place)
        manifest = Manifest(
            facewatch=backup.version(),
            created_at=moment.isoformat(),
            installation=installation,
            engine=settings.ENGINE,
            database=connections["default"].vendor,
            migrations=migrations,
            tables=rows,
            index=index,
            files=files.files,
            bytes=files.bytes,
            deleted=sorted(files.deleted),
            missing=files.missing,
            secret_key=_copy_key(folder),
        )
        backup.write_manifest(folder, manifest)
        _remove_the_old(folder, place, worklist)
    return manifest


@contextmanager
def _ours(folder: Path) -> Iterator[None]:
    """Hold a folder that is empty, or has a backup of this installation. Raises MovingError for another one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / backup.MANIFEST).exists():
        if backup.read_manifest(folder).installation != databases.birthday(using="default"):
            raise MovingError(
                f"{folder} is the backup of another installation: name another folder."
            )
    elif any(folder.iterdir()) and not (folder / backup.WORKLIST).exists():
        raise MovingError(f"{folder} has other things in it: name an empty or a new folder.")
    folder.chmod(0o700)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MovingError(f"Another export to {folder} is under way.") from None
        yield


def _write_table(folder: Path, place: str, table: Table, *, using: str, tick: Tick) -> Rows:
    file = f"{place}/{table.label.lower()}.jsonl.gz"
    digest = Digest()
    path = folder / file
    path.touch(mode=0o600)
    with gzip.open(path, "wb", PACKING) as packed:
        for batch in batched(read(table, using=using)):
            for row in batch:
                line = table.encode(row)
                digest.add(line)
                packed.write(f"{line}\n".encode())
            tick(len(batch))
    backup.sync(path)
    return Rows(
        file=file,
        sha256=backup.hash_of(path),
        columns=table.columns,
        rows=digest.rows,
        content=digest.content,
        last_given=sequences.last_given(table, using=using) if table.is_numbered else 0,
    )


def _write_index(folder: Path, place: str, worklist: Worklist) -> Part:
    file = f"{place}/files.jsonl.gz"
    path = folder / file
    path.touch(mode=0o600)
    with gzip.open(path, "wt", PACKING) as packed:
        for _, known in worklist.wanted():
            if known:
                packed.write(backup.index_line(known))
    backup.sync(path)
    return Part(file=file, sha256=backup.hash_of(path))


def _copy_key(folder: Path) -> Part | None:
    """Take the secret key along, if it is one of the data folder's."""
    path = settings.DATA_DIR / backup.KEY
    if not path.exists() or path.read_text() != settings.SECRET_KEY:
        return None
    backup.write_durably(folder / backup.KEY, path.read_bytes())
    return Part(file=backup.KEY, sha256=backup.hash_of(folder / backup.KEY))


def _remove_the_old(folder: Path, place: str, worklist: Worklist) -> None:
    """Remove what only an earlier backup in the folder had: what was deleted is not kept for ever."""
    for old in (folder / backup.ROWS).iterdir():
        if old != folder / place:
            shutil.rmtree(old)
    worklist.forget_unwanted()
    files = folder / backup.MEDIA
    for parent, _, names in os.walk(files, topdown=False):
        for name in names:
            path = Path(parent, name)
            if worklist.known(path.relative_to(files).as_posix()) is None:
                path.unlink()
        with suppress(OSError):
            # Only one that is empty goes.
            Path(parent).rmdir()
