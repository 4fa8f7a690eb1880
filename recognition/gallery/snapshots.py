"""Known faces in files that the workers of a machine share: each maps them, and memory holds them once.

A folder a snapshot, named for the engine, the revision, and by chance; it is whole or absent, and the newest counts.
What it holds is what the database says at its revision, and nothing that is in no table: it may be removed at any time.
"""

import fcntl
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from recognition.engine import Engine
from recognition.gallery.faces import Faces

#: Of the way in which the files are written; others are not read.
FORMAT = 1
#: Seconds after which what was begun and not finished is removed.
ABANDONED_SECONDS = 3600.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapshot:
    """Faces as they were at a revision, and when they were written, in seconds since 1970."""

    path: Path
    faces: Faces
    revision: int
    written_at: float


@contextmanager
def turn(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Give True to the one process of the machine that may write now; to another False, or its turn if it waits."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "turn").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True


def newest(folder: Path, *, engine: Engine) -> Snapshot | None:
    """Return the newest snapshot of an engine's faces, mapped and not read; None if there is none that can be used."""
    for path in reversed(_of(folder, engine)):
        try:
            return _open(path)
        # Another process may remove it, or a disk have damaged it.
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            log.warning("The gallery's snapshot %s cannot be used: %s", path.name, error)
    return None


def write(folder: Path, faces: Faces, *, revision: int, engine: Engine) -> Snapshot:
    """Store faces, remove what was there before, and return them mapped. Call it in turn."""
    draft = folder / f".{uuid.uuid4().hex}.part"
    draft.mkdir(mode=0o700)
    try:
        for field in fields(faces):
            with (draft / f"{field.name}.npy").open("xb") as file:
                np.save(file, getattr(faces, field.name))
                file.flush()
                os.fsync(file.fileno())
        (draft / "facts.json").write_text(json.dumps({"format": FORMAT, "revision": revision}))
        path = folder / f"{engine.name}-{revision:020d}-{draft.stem[1:9]}"
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    # Those who have one mapped keep it.
    for old in (*(one for one in folder.glob("*-*") if one != path), *_abandoned(folder)):
        shutil.rmtree(old, ignore_errors=True)
    return _open(path)


def remove(folder: Path) -> None:
    """Remove all snapshots. Call it in turn."""
    for path in folder.glob("*-*"):
        shutil.rmtree(path, ignore_errors=True)


def _of(folder: Path, engine: Engine) -> list[Path]:
    return sorted(folder.glob(f"{engine.name}-*"))


def _abandoned(folder: Path) -> list[Path]:
    last = time.time() - ABANDONED_SECONDS
    return [path for path in folder.glob(".*.part") if path.stat().st_mtime < last]


def _open(path: Path) -> Snapshot:
    facts = json.loads((path / "facts.json").read_text())
    if facts["format"] != FORMAT:
        raise ValueError(f"it has the format {facts['format']}")
    arrays = {
        # Mapped, as plain arrays, which are cut faster.
        field.name: np.asarray(np.load(path / f"{field.name}.npy", mmap_mode="r"))
        for field in fields(Faces)
    }
    faces = Faces(**arrays)
    if not _fits(faces):
        raise ValueError("its parts do not fit together")
    return Snapshot(
        path=path,
        faces=faces,
        revision=int(facts["revision"]),
        written_at=(path / "facts.json").stat().st_mtime,
    )


def _fits(faces: Faces) -> bool:
    """Return whether the arrays are as long as each other says, and no place is outside."""
    rows, people = len(faces.ids), len(faces.people)
    return (
        {len(faces.vectors), len(faces.revisions), len(faces.by_id)} == {rows}
        and len(faces.by_person) == people == len(faces.starts) - 1
        and len(faces.templates) == len(faces.fused)
        and faces.starts[0] == 0
        and faces.starts[-1] == rows
        and all(
            one.min(initial=0) >= 0 and one.max(initial=0) < max(size, 1)
            for one, size in ((faces.by_id, rows), (faces.by_person, people), (faces.fused, people))
        )
    )
