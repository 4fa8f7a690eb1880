"""Whether more is taken in: not while it is paused, too much is unprocessed, or the disk is nearly full."""

import logging
import random
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from django.db.models import Q
from django.utils.translation import gettext as _

from ledger import backlog, leases, pauses
from ledger.models import Work

logger = logging.getLogger(__name__)

#: Once closed, intake opens again at this share of the limit of rows, and at this share of the free space wanted.
REOPEN_ROWS, REOPEN_SPACE = 0.9, 1.1
#: Bounds of Retry-After, in seconds.
SHORTEST_WAIT, LONGEST_WAIT = 5, 300
#: Share by which a wait is lengthened at random, so that those who were refused together do not return together.
JITTER = 0.25
#: Seconds after which to look again for room on the disk: nobody knows when there will be some.
DISK_WAIT = 60
#: Seconds after which to try a storage again that did not answer.
STORAGE_WAIT = 10
#: Seconds after which to ask again whether a pause is over: nobody knows when it will be.
PAUSE_WAIT = 60


class Refused(Exception):
    """Nothing more is taken in for about `retry_after` seconds; `code` and the text say why."""

    code: ClassVar[str]

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class BacklogFull(Refused):
    """Too much is unprocessed."""

    code = "backlog_full"


class DiskFull(Refused):
    """There is no room for more on the disk, or none but what the workers need to finish what was taken in."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("The server's disk is full", retry_after=wait(DISK_WAIT))


class NoStorage(Refused):
    """The storage of the photos does not answer."""

    code = leases.STORAGE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "The storage of the photos does not answer", retry_after=wait(STORAGE_WAIT)
        )


class Paused(Refused):
    """Staff has paused it; the text has their reason, if they gave one."""

    code = "paused"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, retry_after=wait(PAUSE_WAIT))


class Gate:
    """Remembers that intake was closed until it may open: closing and opening at one mark would flutter."""

    def __init__(self) -> None:
        self._closed = False
        self._lock = threading.Lock()

    def is_closed(self, *, too_much: bool, enough_room: bool) -> bool:
        """Return whether intake is closed, after it was closed for `too_much` or opened for `enough_room`."""
        with self._lock:
            if too_much:
                self._closed = True
            elif enough_room:
                self._closed = False
            return self._closed


def check_pause(subject: str) -> None:
    """Raise Paused while the subject is paused; one query."""
    pause = pauses.find(subject)
    if pause is None:
        return
    facts = {"name": pauses.NAMES[subject], "reason": pause.reason.rstrip(".")}
    text = _("%(name)s is paused: %(reason)s") if pause.reason else _("%(name)s is paused")
    raise Paused(text % facts)


def check_rows(model: type[Work], *, gate: Gate, limit: int, reserve: int, mine: Q) -> None:
    """Raise BacklogFull if no further row of the model is taken in.

    That is from `limit` unfinished rows on, until a tenth of them is finished. Meanwhile up to `reserve` further rows
    are taken in for those who have fewer than `reserve` unfinished ones; `mine` selects theirs.
    """
    unfinished = backlog.unfinished(model)
    count = unfinished.count()
    opens_at = int(limit * REOPEN_ROWS)
    if not gate.is_closed(too_much=count >= limit, enough_room=count <= opens_at):
        return
    if count < limit + reserve and unfinished.filter(mine).count() < reserve:
        return
    rate = backlog.rate(model)
    raise BacklogFull(
        f"{count} {model._meta.verbose_name_plural} wait already, {limit} may",
        retry_after=wait((count - opens_at) / rate if rate else LONGEST_WAIT),
    )


def check_disk(folder: Path, *, gate: Gate, wanted: int) -> None:
    """Raise DiskFull while fewer than `wanted` bytes are free where the folder is; then until there is a tenth more.

    Raises NoStorage if the folder is not there.
    """
    free = free_bytes(folder)
    if gate.is_closed(too_much=free < wanted, enough_room=free >= wanted * REOPEN_SPACE):
        raise DiskFull


def free_bytes(folder: Path) -> int:
    """Return how much room the disk of a folder has. Raises NoStorage if the folder is not there."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise NoStorage from error


@contextmanager
def storing() -> Iterator[None]:
    """Write a file: raises DiskFull if there is no room for it, and NoStorage if its storage does not answer."""
    try:
        yield
    except leases.StorageUnavailable as error:
        logger.warning("Nothing more is taken in: %s", error)
        raise NoStorage from error
    except OSError as error:
        if error.errno in leases.NO_ROOM:
            raise DiskFull from error
        raise


def wait(seconds: float) -> int:
    """Return so many seconds within the bounds of Retry-After, up to a quarter longer at random."""
    bounded = min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT / (1 + JITTER))
    return round(bounded * random.uniform(1, 1 + JITTER))  # noqa: S311 (no secret)
