"""manage.py canary: send a picture of nobody through everything, and wait until it arrives."""

import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from alerts import canary
from recognition.tasks import wake_photo

#: Seconds between two looks.
LOOK_SECONDS = 0.5


class Command(BaseCommand):
    help = "Send a picture of nobody through everything up to its delivery; exit with 1 if it does not arrive."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=settings.CANARY_SECONDS,
            metavar="SECONDS",
            help="How long it may take (default: %(default)s).",
        )

    def handle(self, *, wait: float, **_: Any) -> None:
        # One that nobody has looked at for long is late, and stands in the way of no other.
        canary.watch_over(now=timezone.now())
        run = canary.send() or canary.under_way()
        if run is None:
            raise CommandError("The canary that was under way has just arrived. Try again.")
        begun = time.monotonic()
        step = ""
        while not canary.follow(run):
            if run.step != step:
                step = run.step
                self.stdout.write(step)
                # Not to wait for the sweep.
                for photo in canary.waiting():
                    wake_photo(photo)
            if time.monotonic() - begun > wait:
                raise CommandError(f"The canary did not arrive within {wait:g} s: {step}.")
            time.sleep(LOOK_SECONDS)
        self.stdout.write(f"The canary arrived after {time.monotonic() - begun:.1f} s.")
