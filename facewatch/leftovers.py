"""Temporary files that a process which died left in the data folder: uploads on their way, mails half written."""

import logging
import time
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

#: Seconds without a byte after which nobody is writing a temporary file any more.
GRACE_SECONDS = 3600


def remove_leftovers() -> int:
    """Remove temporary files that are older than the grace; return how many. One that vanishes is no error."""
    try:
        return sum(map(_remove, _drafts()))
    except OSError as error:
        logger.warning("Temporary files could not be removed: %s", error)
        return 0


def _drafts() -> list[Path]:
    uploads = Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*")
    return [*uploads, *Path(settings.MAIL_DIR).glob(".*.part")]


def _remove(path: Path) -> bool:
    try:
        if path.stat().st_mtime > time.time() - GRACE_SECONDS:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
