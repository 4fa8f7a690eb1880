"""Many photos at once, from folders: resumable, because the same bytes are never stored twice."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.files.base import File

from recognition import photos
from recognition.engine import ImageError
from recognition.models import Person, Photo

#: Endings of files that are taken from a folder; a file named by itself is tried whatever its ending.
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one file: `stored`, `known` (the same bytes were there), or refused with a code and text."""

    path: Path
    photo: Photo | None
    result: str
    detail: str = ""


def find_images(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the image files among paths, with those in folders below them, in order. Hidden files are left out.

    Raises FileNotFoundError for a path that is not there.
    """
    for path in paths:
        if path.is_dir():
            yield from (
                child
                for child in sorted(path.rglob("*"))
                if child.suffix.lower() in SUFFIXES
                and child.is_file()
                and not any(part.startswith(".") for part in child.relative_to(path).parts)
            )
        elif path.exists():
            yield path
        else:
            raise FileNotFoundError(f"{path} is not there.")


def store(path: Path, *, owner: Any, person: Person | None = None, source: str = "") -> Outcome:
    """Store one file with low priority; a bad file is an outcome, not an error. Raises `intake.Refused`."""
    try:
        with path.open("rb") as file:
            stored = photos.store_photo(
                File(file, name=path.name),
                owner=owner,
                person=person,
                origin=photos.Origin(source=source),
                bulk=True,
            )
    except ImageError as error:
        return Outcome(path=path, photo=None, result=error.code, detail=str(error))
    except photos.TooLarge as error:
        return Outcome(path=path, photo=None, result="too_large", detail=str(error))
    except OSError as error:
        return Outcome(path=path, photo=None, result="unreadable_file", detail=str(error))
    return Outcome(path=path, photo=stored.photo, result="stored" if stored.created else "known")


def outcomes(ids: Iterable[Any]) -> dict[str, int]:
    """Return how many of these photos are `done`, `failed: CODE`, or still in an open stage, by name."""
    counts: dict[str, int] = {}
    wanted = list(ids)
    for start in range(0, len(wanted), 500):
        rows = Photo.objects.filter(pk__in=wanted[start : start + 500])
        for stage, code in rows.values_list("stage", "error_code"):
            name = f"failed: {code}" if stage == Photo.Stage.FAILED else str(stage)
            counts[name] = counts.get(name, 0) + 1
    return counts
