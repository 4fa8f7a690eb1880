"""The folder that a backup is: its manifest, its parts, and whether all of them are whole.

manifest.json          what the backup is, with the SHA-256 of each part; the backup counts once this is there
rows/MOMENT/           a file of lines for each table, packed, and one that lists the files with their hashes
media/                 the files, named as in the storage
secret_key             by which the installation signs
worklist.sqlite3       what was copied so far; only saves time, and may be deleted
"""

import gzip
import hashlib
import json
import os
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from facewatch.moving import MovingError, media
from facewatch.moving.rows import Tick
from facewatch.moving.worklist import Known, Worklist
from facewatch.storage import DurableStorage

#: Of the format; another one is refused.
FORMAT = 1
MANIFEST, ROWS, MEDIA, KEY, WORKLIST = (
    "manifest.json",
    "rows",
    "media",
    "secret_key",
    "worklist.sqlite3",
)


class Damaged(MovingError):
    """A backup is not what it was when it was made."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A file of the backup, by its path in there, and its hash."""

    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Rows(Part):
    """The rows of one table: how many, their digest, and the last number that the database gave to one."""

    columns: list[str]
    rows: int
    content: str
    last_given: int = 0


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup holds."""

    facewatch: str
    created_at: str
    #: When the installation began; see `databases.birthday`.
    installation: str
    engine: str
    database: str
    migrations: dict[str, list[str]]
    tables: dict[str, Rows]
    index: Part
    files: int
    bytes: int
    #: Photos that were deleted while their files were copied: a restore leaves them out.
    deleted: list[str] = field(default_factory=list)
    #: Files that the rows name and the storage did not have, or not as the row says.
    missing: list[str] = field(default_factory=list)
    secret_key: Part | None = None
    format: int = FORMAT


def version() -> str:
    """Return the version of Facewatch."""
    return str(
        tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
    )


def storage(folder: Path) -> DurableStorage:
    """Return the files of a backup as a storage."""
    return DurableStorage(location=str(folder / MEDIA))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the parts that it names the backup, in one step."""
    body = asdict(manifest)
    text = json.dumps(body | {"sha256": _seal(body)}, indent=1)
    write_durably(folder / MANIFEST, text.encode())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises MovingError where there is none, or none that we read."""
    path = folder / MANIFEST
    if not path.is_file():
        raise MovingError(f"{folder} is no backup: it has no {MANIFEST}.")
    try:
        body = json.loads(path.read_bytes())
        seal = body.pop("sha256")
        if body["format"] != FORMAT:
            raise MovingError(
                f"{folder} has format {body['format']}; this version of Facewatch reads {FORMAT}."
            )
        if seal != _seal(body):
            raise Damaged(f"{path} was altered or damaged: take another backup.")
        body["tables"] = {label: Rows(**rows) for label, rows in body["tables"].items()}
        body["index"] = Part(**body["index"])
        body["secret_key"] = Part(**body["secret_key"]) if body["secret_key"] else None
        return Manifest(**body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{path} was altered or damaged: take another backup.") from error


def verify(folder: Path, manifest: Manifest, *, tick: Tick) -> None:
    """Read all of a backup and compare the hashes. Raises Damaged for the first part that is not as it was."""
    parts: list[Part] = [*manifest.tables.values(), manifest.index]
    if manifest.secret_key:
        parts.append(manifest.secret_key)
    for part in parts:
        if hash_of(folder / part.file) != part.sha256:
            raise Damaged(f"{folder / part.file} is missing or damaged: take another backup.")
    place = storage(folder)

    def check(known: Known) -> str:
        try:
            return "" if media.content(place, known.name) == known.sha256 else known.name
        except FileNotFoundError:
            return known.name

    for batch in media.in_parallel(check, index(folder, manifest)):
        for name in filter(None, batch):
            if not _was_replaced(folder, name):
                raise Damaged(
                    f"{folder / MEDIA / name} is missing or damaged: take another backup."
                )
        tick(len(batch))


def index(folder: Path, manifest: Manifest) -> Iterator[Known]:
    """Yield the files that a backup lists."""
    with gzip.open(folder / manifest.index.file, "rt") as lines:
        for line in lines:
            yield Known(*json.loads(line))


def index_line(known: Known) -> str:
    """Return the line by which a backup lists a file."""
    return json.dumps([known.name, known.bytes, known.sha256]) + "\n"


def lines(folder: Path, rows: Rows) -> Iterator[str]:
    """Yield the lines of a table."""
    with gzip.open(folder / rows.file, "rt") as found:
        for line in found:
            yield line.rstrip("\n")


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty if it is not there."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all, also when the power fails."""
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have what was written to a file, or which files a folder has, reach the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _was_replaced(folder: Path, name: str) -> bool:
    """Return whether a later export, which did not come to its end, put a newer version of a picture there."""
    if not (folder / WORKLIST).exists() or not (folder / MEDIA / name).exists():
        return False
    with Worklist(folder / WORKLIST) as worklist:
        known = worklist.known(name)
    return bool(known and known.modified and media.content(storage(folder), name) == known.sha256)


def _seal(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
