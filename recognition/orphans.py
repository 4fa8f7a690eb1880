"""Files that no row names: what a crash leaves in the storage, and the sweep removes.

A file is written before its row and removed after it, so that a crash in between leaves a file too many and never a
row without its file. Here a file goes when no row names it, nobody is at work on its photo, and it has been there for
longer than any request or attempt takes.
"""

import logging
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from ledger import crashpoints
from recognition.models import Batch, Face, Photo, Search

logger = logging.getLogger(__name__)

#: Seconds that a file without a row is left alone: its row may be on its way. Two leases, where these are longer.
GRACE_SECONDS = 3600
#: Seconds after which one call ends; the next one goes on from there.
BUDGET_SECONDS = 0.3
#: Folders that are looked at with one query each for their photos and faces.
BATCH = 200


class Round:
    """A walk through the folders of all photos, in an order of chance, that is left off and taken up again.

    Sweepers that run at once, or are often started again, thereby look at different folders first.
    """

    def __init__(self) -> None:
        self._walk: Iterator[tuple[str, list[str]]] | None = None
        self._kept: dict[str, list[str]] = {}

    def take(self, count: int) -> dict[str, list[str]]:
        """Return the next folders, up to `count`, each with the names of its files.

        None at the end, and the next call begins another round.
        """
        if self._kept:
            taken, self._kept = self._kept, {}
            return taken
        if self._walk is None:
            # Of our storages, and not of Django's.
            self._walk = cast("Any", default_storage).walk("photos")
        taken = dict(islice(self._walk, count))
        if not taken:
            self._walk = None
        return taken

    def give_back(self, folders: dict[str, list[str]]) -> None:
        """Keep folders for the next call, as they were listed."""
        self._kept = folders


#: This process's.
_round = Round()


def remove_orphans() -> int:
    """Remove files that no row names; return how many.

    One call looks at the files of searches, at archives, and at as many photos as its time allows, on a small
    installation at all.
    """
    ends_at = time.monotonic() + BUDGET_SECONDS
    removed = 0
    try:
        removed += _clean_flat("searches", Search.objects.values_list("image", flat=True))
        removed += _clean_flat("batches", Batch.objects.values_list("archive", flat=True))
        while time.monotonic() < ends_at and (folders := _round.take(BATCH)):
            removed += _clean(folders, until=ends_at)
    except OSError as error:
        # The storage is away or denies something: the rows, which the sweep is for in the first place, do not wait.
        logger.warning("Files that belong to nobody could not be removed: %s", error)
    return removed


def _clean(folders: dict[str, list[str]], *, until: float) -> int:
    """Remove what no row names from these folders; one that has no photo goes as a whole.

    What removing takes too long for is given back to the round.
    """
    # In this order: a file that is listed before its photo is seen to be in nobody's hands, and whose face is not found
    # after that, can get no row any more.
    ids = [photo_id for folder in folders if (photo_id := _photo_id(folder))]
    rows = Photo.objects.filter(pk__in=ids).only("image", "lease_token")
    photos = {photo.folder: photo for photo in rows}
    idle = {folder: photo for folder, photo in photos.items() if photo.lease_token is None}
    faces = Face.objects.filter(photo__in=idle.values()).only("photo_id")
    named = {face.chip_name for face in faces}
    for photo in idle.values():
        named |= {str(photo.image.name), photo.picture_name, photo.thumbnail_name}
    removed = 0
    left = dict(folders)
    for folder, files in folders.items():
        # A call that begins with them gets on in any case.
        if removed and time.monotonic() > until:
            _round.give_back(left)
            break
        del left[folder]
        if folder in idle:
            removed += _remove(_without_row(folder, files, named=named))
        elif folder not in photos and _photo_id(folder):
            removed += _remove_folder(folder, files)
    return removed


def _clean_flat(folder: str, named: Iterable[str]) -> int:
    """Remove what the rows do not name from a folder without folders in it; listed before they are read."""
    files = _listing(folder)[1]
    return _remove(_without_row(folder, files, named=set(named)))


def _without_row(folder: str, files: Iterable[str], *, named: Collection[str]) -> list[str]:
    return [name for file in files if (name := f"{folder}/{file}") not in named]


def _remove_folder(folder: str, files: Sequence[str]) -> int:
    """Remove a folder with its files, unless something in it, or itself when it is empty, is still young."""
    names = [f"{folder}/{file}" for file in files]
    if not all(_is_old(name) for name in names or [folder]):
        return 0
    removed = _remove(names)
    # Somebody may have written into it meanwhile.
    with suppress(OSError):
        default_storage.delete(folder)
    return removed


def _remove(names: Iterable[str]) -> int:
    """Delete those of the files that are old enough; return how many."""
    removed = 0
    for name in names:
        if _is_old(name):
            default_storage.delete(name)
            removed += 1
            crashpoints.reach("orphans: one removed")
    return removed


def _is_old(name: str) -> bool:
    """Return whether nothing can be on its way any more for what this is; what has vanished meanwhile is not old."""
    grace = timedelta(seconds=max(GRACE_SECONDS, 2 * settings.LEASE_SECONDS))
    try:
        return default_storage.get_modified_time(name) < timezone.now() - grace
    except FileNotFoundError:
        return False


def _listing(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder; none if it is not there."""
    try:
        return default_storage.listdir(folder)
    except FileNotFoundError:
        return [], []


def _photo_id(folder: str) -> uuid.UUID | None:
    """Return the photo that a folder is named after; None if it was made by somebody else."""
    try:
        photo_id = uuid.UUID(folder.rpartition("/")[2])
    except ValueError:
        return None
    return photo_id if Photo(id=photo_id).folder == folder else None
