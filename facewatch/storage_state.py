"""Whether the storage of the photos answers: asked for seldom, and never waited for long."""

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from django.core.files.storage import default_storage

from ledger.leases import StorageUnavailable

#: Seconds for which an answer is good, and for which one is waited for.
KEPT_SECONDS, PATIENCE_SECONDS = 5.0, 2.0


class Watch:
    """The state of something that may hang: a look that takes too long goes on by itself, and no second one begins."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._problem = ""
        self._looked_at = float("-inf")

    def problem(self) -> str:
        """Return what is wrong, in words without secrets; an empty text if nothing is, or was some seconds ago."""
        with self._lock:
            is_old = time.monotonic() > self._looked_at + KEPT_SECONDS
            if is_old and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            thread = self._thread
        if is_old and thread:
            thread.join(PATIENCE_SECONDS)
            if thread.is_alive():
                return "no answer in time"
        return self._problem

    def _run(self) -> None:
        try:
            self._look()
        except StorageUnavailable as error:
            self._problem = str(error)
        except Exception as error:  # noqa: BLE001 (whatever a driver raises, its text may hold secrets)
            self._problem = f"failed: {type(error).__name__}"
        else:
            self._problem = ""
        self._looked_at = time.monotonic()


def look() -> None:
    """Raise OSError if the storage does not answer."""
    # Of our storages, and not of Django's.
    cast("Any", default_storage).probe()


#: This process's.
watch = Watch(look)
