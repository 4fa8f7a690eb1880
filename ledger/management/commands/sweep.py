"""manage.py sweep: wake what was forgotten."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection

from ledger.sweep import sweep


class Command(BaseCommand):
    help = "Wake rows whose wake-up was lost and give up those whose workers keep dying; once, or every N seconds."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--every", type=float, metavar="SECONDS", help="Go on for ever, every so often."
        )
        parser.add_argument("--once", action="store_true", help="Sweep once; this is the default.")

    def handle(self, *, every: float | None = None, once: bool = False, **_: Any) -> None:
        if once or not every:
            self.stdout.write(str(sweep()))
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        while not stop.is_set():
            try:
                report = sweep()
            except DatabaseError as error:
                self.stderr.write(
                    f"The database does not answer ({error}); trying again in {every:g} s."
                )
                connection.close()
            else:
                if report.woken or report.buried or any(report.chores.values()):
                    self.stdout.write(str(report))
            stop.wait(every)
