"""Waiting for a photo to be done, for callers who would otherwise ask again and again."""

import re
import threading
import time
import uuid

from recognition.models import Photo

#: Longest wait that a caller may ask for, in seconds.
LONGEST_WAIT = 20
#: Seconds between two looks at the photo's stage.
POLL_SECONDS = 0.1
#: Callers who may wait at once in this process, as each holds a thread of the web server. Others are answered now.
MOST_WAITING = 24

_places = threading.BoundedSemaphore(MOST_WAITING)

#: RFC 7240, section 4.3: wait, in whole seconds, among other preferences.
WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)


def preferred_wait(header: str) -> int | None:
    """Return the seconds that a `Prefer` header asks to wait, LONGEST_WAIT at the most; None if it does not ask."""
    found = WAIT.search(header)
    return min(int(found[1]), LONGEST_WAIT) if found else None


def until_final(photo_id: uuid.UUID, *, seconds: float) -> bool:
    """Return True once the photo is final or gone, or the seconds have passed; False at once if too many wait.

    Looks with single short queries, never within a transaction.
    """
    if not _places.acquire(blocking=False):
        return False
    try:
        deadline = time.monotonic() + seconds
        unfinished = Photo.objects.filter(pk=photo_id, stage__in=Photo.OPEN_STAGES)
        while unfinished.exists() and (left := deadline - time.monotonic()) > 0:
            time.sleep(min(POLL_SECONDS, left))
        return True
    finally:
        _places.release()
