"""Whether a further photo is taken in, and where it stands among those that wait.

Three counts of unfinished photos decide. At 100,000 of them one takes 4 ms on SQLite, whatever is stored besides, and
at a few hundred 0.1 ms. On PostgreSQL uploads that are counted at the same moment do not see each other, so that a
limit may be passed by as many as are under way at once: to keep it exact, all of them would wait for each other.
"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Q

from ledger import backlog, intake, pauses
from recognition.models import Photo, Search

#: Priority of photos that come in bulk, against those that somebody waits for (0): even their recognition comes after
#: everybody else's detection.
BULK = -30
#: How far a photo is put back, at the most, for the sake of owners with fewer photos in the queue.
MOST_STEPS_BACK, MOST_STEPS_BACK_IN_BULK = 19, 9

_rows, _disk = intake.Gate(), intake.Gate()


def check(*, owner: Any) -> None:
    """Raise `intake.Refused` if no further photo of this owner is taken in."""
    check_open()
    check_backlog(owner=owner)


def check_open() -> None:
    """Raise `intake.Refused` if no photo is taken in, whoever sends it: while that is paused, or the disk full."""
    intake.check_pause(pauses.INTAKE)
    check_disk()


def check_search() -> None:
    """Raise `intake.Refused` if no search is taken in: while they are paused, nobody waits for one in vain."""
    intake.check_pause(pauses.subject_of(Search, Search.Stage.ASKED))
    # The picture is stored until it is looked at.
    check_disk()


def check_backlog(*, owner: Any) -> None:
    """Raise `intake.BacklogFull` if too many photos are unfinished, and too many of them are this owner's."""
    limit = settings.MAX_BACKLOG
    reserve = limit * settings.OWNER_SHARE // 100
    intake.check_rows(Photo, gate=_rows, limit=limit, reserve=reserve, mine=Q(owner=owner))


def check_disk() -> None:
    """Raise `intake.DiskFull` while the disk of the photos has less room than must stay free.

    Raises `intake.NoStorage` if a shared folder is away. Nobody knows how much room an object storage has.
    """
    if folder := _folder():
        intake.check_disk(folder, gate=_disk, wanted=settings.MIN_FREE_BYTES)


def free_bytes() -> int | None:
    """Return how much room the disk of the photos has; None for an object storage, or a shared folder that is away."""
    folder = _folder()
    try:
        return intake.free_bytes(folder) if folder else None
    except intake.NoStorage:
        return None


def refusal() -> str:
    """Return the code with which photos are refused now; empty while they are taken in.

    With a full backlog they are refused, though owners within their share are still taken in.
    """
    try:
        check_open()
        intake.check_rows(Photo, gate=_rows, limit=settings.MAX_BACKLOG, reserve=0, mine=Q())
    except intake.Refused as error:
        return error.code
    return ""


def priority(*, owner: Any, bulk: bool) -> int:
    """Return the priority of an owner's next photo: 0 to -19, and -30 to -39 in bulk.

    Each doubling of the owner's photos that wait already, of the same kind, is a step back, in bulk every second one.
    So nobody's thousands keep the first photo of somebody else waiting.
    """
    waiting = backlog.unfinished(Photo).filter(owner=owner)
    if bulk:
        doublings = _doublings(waiting.filter(priority__lte=BULK).count())
        return BULK - min(doublings // 2, MOST_STEPS_BACK_IN_BULK)
    doublings = _doublings(waiting.filter(priority__gt=BULK).count())
    return -min(doublings, MOST_STEPS_BACK)


def _folder() -> Path | None:
    """Return where the photos lie; None for an object storage."""
    if settings.STORAGE.bucket:
        return None
    return Path(settings.STORAGE.folder or settings.DATA_DIR)


def _doublings(count: int) -> int:
    """Return the whole part of log2(count + 1): 0 for none, 1 from 1 on, 2 from 3 on, 3 from 7 on."""
    return (count + 1).bit_length() - 1
