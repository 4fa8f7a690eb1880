"""The stored files: which there are by the rows, and copying them from one storage into another."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from facewatch import storage_address
from facewatch.moving import MovingError
from facewatch.moving.rows import BATCH, Tick, batched
from facewatch.moving.worklist import Known, Wanted, Worklist
from facewatch.storage import DurableStorage
from facewatch.storage_address import BadAddress
from recognition.models import Batch, Face, Photo


@dataclass(kw_only=True)
class Files:
    """What became of the files: how many were copied, or were there; whose photos have gone meanwhile; what is missing.

    Missing is also a photo that has other bytes than its row says.
    """

    files: int = 0
    bytes: int = 0
    deleted: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)


T = TypeVar("T")
R = TypeVar("R")
#: Files that are copied at once: most of the time goes into waiting for a disk or a network.
THREADS = 8
#: Bytes that are read at once, and up to which a file is held in memory on its way.
CHUNK, IN_MEMORY = 1 << 20, 32 << 20


def place(where: str) -> Storage:
    """Return the storage at a STORAGE_URL, or in a folder, which is made if it is missing. Raises MovingError."""
    if "://" not in where:
        folder = Path(where).resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return DurableStorage(location=str(folder))
    try:
        backend = storage_address.parse(where).backend()
    except BadAddress as problem:
        raise MovingError(f"{problem} {problem.hint}".replace("STORAGE_URL", "--media")) from None
    return storages.create_storage(backend)


def list_of(where: str) -> Path:
    """Return where it is kept what was copied to such a place."""
    name = hashlib.sha256(where.encode()).hexdigest()[:16]
    return Path(settings.FILE_UPLOAD_TEMP_DIR) / f"copied-{name}.sqlite3"


def named(*, using: str) -> Iterator[Wanted]:
    """Yield the files that the rows of a database name."""
    photos = Photo.objects.using(using).order_by("pk")
    fields = ("image", "sha256", "stage", "failed_stage", "error_code")
    for photo in photos.only(*fields).iterator(chunk_size=BATCH):
        owner = f"photo:{photo.pk}"
        yield Wanted(str(photo.image.name), owner, sha256=photo.sha256)
        for name in (photo.picture_name, photo.thumbnail_name):
            # Written by each attempt to find the faces.
            yield Wanted(name, owner, may_change=True, is_sure=photo.has_picture)
    for face in Face.objects.using(using).only("photo_id").order_by("pk").iterator(BATCH):
        yield Wanted(face.chip_name, f"photo:{face.photo_id}")
    for batch in Batch.objects.using(using).exclude(archive=""):
        yield Wanted(str(batch.archive.name), f"batch:{batch.pk}")


def is_still_named(file: Wanted) -> bool:
    """Return whether the row that a file goes with still has it, in the database as it is now."""
    kind, _, key = file.owner.partition(":")
    if kind == "photo":
        return Photo.objects.filter(pk=key).exists()
    return Batch.objects.filter(pk=key, archive=file.name).exists()


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> Iterator[list[R]]:
    """Yield what becomes of the items, a batch at a time and in their order; the work touches no database."""
    with ThreadPoolExecutor(THREADS) as threads:
        for batch in batched(items):
            yield list(threads.map(work, batch))


def copy(file: Wanted, *, source: Storage, target: Storage) -> Known:
    """Copy a file and return what it is, once the target gives the same bytes back. Raises FileNotFoundError."""
    modified = _modified(file, source=source) if file.may_change else ""
    found = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(
        IN_MEMORY, dir=str(settings.FILE_UPLOAD_TEMP_DIR)
    ) as passing:
        with source.open(file.name) as stream:
            while chunk := stream.read(CHUNK):
                found.update(chunk)
                passing.write(chunk)
        length = passing.tell()
        passing.seek(0)
        stored = target.save(file.name, File(passing, name=file.name))
    known = Known(file.name, length, found.hexdigest(), modified)
    if stored != file.name or content(target, file.name) != known.sha256:
        raise MovingError(f"{file.name} was copied, and other bytes came back: look at the disk.")
    return known


def content(storage: Storage, name: str) -> str:
    """Return the SHA-256 of a file. Raises FileNotFoundError."""
    found = hashlib.sha256()
    with storage.open(name) as stream:
        while chunk := stream.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()


def is_there(known: Known, *, storage: Storage) -> bool:
    """Return whether a storage has a file of this length."""
    try:
        return storage.size(known.name) == known.bytes
    except FileNotFoundError:
        return False


def transfer(worklist: Worklist, *, source: Storage, target: Storage, tick: Tick) -> Files:
    """Let the target have the files that are wanted, as the source has them now; return what became of them.

    What is known to be there already is not copied again.
    """

    def update(pair: tuple[Wanted, Known | None]) -> tuple[Wanted, Known | None]:
        file, known = pair
        try:
            if known and is_there(known, storage=target) and _is_same(file, known, source=source):
                return file, known
            return file, copy(file, source=source, target=target)
        except FileNotFoundError:
            return file, None

    found = Files()
    for batch in in_parallel(update, worklist.wanted()):
        worklist.learn(known for _, known in batch if known)
        worklist.forget(file.name for file, known in batch if not known)
        for file, known in batch:
            _note(found, file, known)
        tick(len(batch))
    return found


def differing(files: Iterable[Wanted], *, source: Storage, target: Storage) -> list[str]:
    """Return the names of the files that the source has and the target has not, or not with the same bytes."""

    def compare(file: Wanted) -> str:
        try:
            here = content(source, file.name)
        except FileNotFoundError:
            return ""
        try:
            return "" if content(target, file.name) == here else file.name
        except FileNotFoundError:
            return file.name

    return [name for batch in in_parallel(compare, files) for name in batch if name]


def _is_same(file: Wanted, known: Known, *, source: Storage) -> bool:
    """Return whether the source of a file is as it was when it was copied. Raises FileNotFoundError."""
    if file.sha256 and file.sha256 != known.sha256:
        return False
    if not file.may_change:
        return True
    return _modified(file, source=source) == known.modified


def _modified(file: Wanted, *, source: Storage) -> str:
    """Return when a file was last written. Raises FileNotFoundError, on storages too that raise something else."""
    if not source.exists(file.name):
        raise FileNotFoundError(file.name)
    return source.get_modified_time(file.name).isoformat()


def _note(found: Files, file: Wanted, known: Known | None) -> None:
    """Count a file in. One that is not there is no fault if its row has gone as well, or was not done with it."""
    if known:
        found.files += 1
        found.bytes += known.bytes
        if file.sha256 in {"", known.sha256}:
            return
    elif not file.is_sure:
        return
    if is_still_named(file):
        found.missing.append(file.name)
    elif file.owner.startswith("photo:"):
        found.deleted.add(file.owner.removeprefix("photo:"))
