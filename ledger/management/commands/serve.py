"""manage.py serve: the whole installation as one command."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from ledger import serve
from ledger.consumer import GRACE_SECONDS

#: Requests that the web server works on at once; a thread each, because they wait for the disk and for workers.
WEB_THREADS = 64
#: Seconds that requests under way get to end: more than the 20 that a client may ask to wait for.
WEB_GRACE_SECONDS = 25


class Command(BaseCommand):
    help = (
        "Set up what is missing, then run web server, workers and sweeper until SIGTERM or Ctrl-C."
    )
    requires_system_checks: Any = []

    def handle(self, **_: Any) -> None:
        try:
            lock = serve.lock(settings.DATA_DIR)
            serve.check_port(settings.HOST, settings.PORT)
        except serve.CannotServe as error:
            raise CommandError(str(error)) from error
        with lock:
            call_command("prepare", stdout=self.stdout)
            os.environ |= {
                "FACEWATCH_SUPERVISED": "1",
                "PYTHONUNBUFFERED": "1",
                # The parts find the code from whatever folder this is called in, and the data that is named from there.
                "PYTHONPATH": os.pathsep.join(
                    filter(None, [str(settings.BASE_DIR), os.getenv("PYTHONPATH")])
                ),
            }
            supervisor = serve.Supervisor(
                _parts(),
                say=self._say,
                ready=lambda: serve.listens(settings.HOST, settings.PORT),
            )
            supervisor.run(when_ready=self._announce)

    def _say(self, line: str) -> None:
        # Who reads the log may be gone, or its disk full: nothing stops for that.
        with suppress(OSError):
            self.stdout.write(line)
            self.stdout.flush()

    def _announce(self) -> None:
        user = (
            get_user_model()
            .objects.filter(is_superuser=True, is_active=True)
            .order_by("pk")
            .first()
        )
        self._say("")
        self._say(f"  Facewatch is at {settings.BASE_URL}/")
        if user:
            self._say(f"  Sign in as {user.get_username()}.")
            if not user.has_usable_password():
                self._say(f"  Set the password: {_manage()} changepassword {user.get_username()}")
        self._say(f"  Known faces: {settings.BASE_URL}/admin/    Data: {settings.DATA_DIR}")
        self._say("  Stop with Ctrl-C.")
        self._say("")


def _manage() -> str:
    """Return how to call manage.py on the same data, from the folder that this was called in."""
    folder = os.environ.get("FACEWATCH_DATA_DIR")
    prefix = f"FACEWATCH_DATA_DIR={folder} " if folder else ""
    python = (
        os.path.relpath(sys.executable)
        if sys.executable.startswith(str(Path.cwd()))
        else sys.executable
    )
    manage = settings.BASE_DIR / "manage.py"
    return f"{prefix}{python} {manage.name if Path.cwd() == settings.BASE_DIR else manage}"


def _parts() -> list[serve.Part]:
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    web = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "facewatch.wsgi:application"),
        *("--host", settings.HOST, "--port", str(settings.PORT)),
        *("--blocking-threads", str(WEB_THREADS)),
        *("--log-level", "error", "--no-ws"),
    ]
    return [
        serve.Part(name="web", command=web, grace_seconds=WEB_GRACE_SECONDS),
        serve.Part(
            name="sweep",
            command=[*manage, "sweep", "--every", str(settings.SWEEP_SECONDS)],
            grace_seconds=5,
        ),
        serve.Part(name="worker", command=[*manage, "worker"], grace_seconds=GRACE_SECONDS + 5),
    ]
