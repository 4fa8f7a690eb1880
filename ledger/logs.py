"""What goes to the log, and how often."""

import logging
import time

#: Seconds within which the same line is written once.
ONCE_WITHIN = 30.0


class Seldom(logging.Filter):
    """Writes a line once within a while, and without its traceback: workers ask a dead broker ten times a second."""

    def __init__(self, *, seconds: float = ONCE_WITHIN) -> None:
        super().__init__()
        self._seconds = seconds
        self._written: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is written; its error is in its line then."""
        now = time.monotonic()
        if now < self._written.get(record.msg, 0.0):
            return False
        self._written[record.msg] = now + self._seconds
        if record.exc_info:
            record.msg, record.args = f"{record.getMessage()} {record.exc_info[1]}", ()
            record.exc_info = record.exc_text = None
        return True
