"""manage.py demo: the whole installation, and a photo that becomes an alert."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from knox.models import AuthToken

from demo import photos, story
from demo.client import Client, Refused
from ledger import serve, workers
from recognition.progress import console

#: The user in whose name the story plays.
USER = "demo"
#: Seconds within which the server must answer, and those that it gets to end.
START_SECONDS, END_SECONDS = 90, 60


class Stopped(BaseException):
    """A signal asks for the end."""


class Command(BaseCommand):
    help = (
        "Serve, as manage.py serve does, and show on freely licensed photos how an alert happens."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--exit",
            action="store_true",
            help="Stop when the story is told, instead of serving on.",
        )

    def handle(self, *, exit: bool, **_: Any) -> None:  # noqa: A002 (the option's name)
        self._fetch()
        try:
            serve.lock(settings.DATA_DIR).close()
            serve.check_port(settings.HOST, settings.PORT)
        except serve.CannotServe as error:
            raise CommandError(str(error)) from error
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
        server = Server(say=self._say)
        try:
            server.wait_until_ready(_client(token=""))
            self._play()
            server.speak()
            if not exit:
                server.process.wait()
                raise CommandError("The server ended by itself.")
        except Stopped:
            pass
        except (RuntimeError, Refused, OSError) as error:
            server.speak()
            raise CommandError(f"The demonstration could not go on. {error}") from error
        finally:
            server.end()

    def _fetch(self) -> None:
        try:
            folder = photos.fetch(progress=self._say)
        except photos.PhotosUnavailable as error:
            raise CommandError(str(error)) from error
        self._say(f"Photos: {folder}, by")
        for photo in photos.PHOTOS:
            self._say(f"  {photo.name:16} {photo.credit} ({photo.licence})")
        self._say("")

    def _play(self) -> None:
        answer = io.StringIO()
        call_command("token", USER, create="manager", stdout=answer)
        try:
            story.play(
                story.Stage(
                    client=_client(token=answer.getvalue().strip()),
                    console=console(self.stdout),
                    data_dir=settings.DATA_DIR,
                    mail_dir=settings.MAIL_DIR,
                )
            )
        finally:
            # The token was for the story alone.
            user = get_user_model().objects.filter(username=USER)
            AuthToken.objects.filter(user__in=user).delete()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class Server:
    """`manage.py serve` as a child: silent until told to speak, gone when this process goes."""

    def __init__(self, *, say: Any) -> None:
        environment = {
            name: value for name, value in os.environ.items() if name != "EMAIL_URL_FILE"
        }
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ledger.processes", str(os.getpid()), *manage],
            cwd=settings.BASE_DIR,
            # The demonstration mails nobody: its mails are files.
            env=environment | {"EMAIL_URL": "", "FACEWATCH_DATA_DIR": str(settings.DATA_DIR)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            # A Ctrl-C at the terminal reaches the demonstration alone, which then ends the server.
            start_new_session=True,
        )
        self._say = say
        self._held: list[str] | None = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self, client: Client) -> None:
        """Return once it answers and a worker is alive. Raises RuntimeError when that does not come about."""
        deadline = time.monotonic() + START_SECONDS
        while not (client.answers() and workers.alive()):
            if self.process.poll() is not None:
                self._reader.join()
                raise RuntimeError("The server ended; its last words are above.")
            if time.monotonic() > deadline:
                raise RuntimeError(f"The server does not answer after {START_SECONDS} s.")
            time.sleep(serve.WATCH_SECONDS)

    def speak(self) -> None:
        """Pass on what it said so far, and from now on at once."""
        with self._lock:
            held, self._held = self._held or [], None
        for line in held:
            self._say(line)

    def end(self) -> None:
        """End it in order, and wait for that; a further signal changes nothing."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._lock:
                if self._held is not None:
                    self._held.append(line.rstrip())
                    continue
            self._say(line.rstrip())


def _client(*, token: str) -> Client:
    """Return a client that asks the way a proxy in front of this server would."""
    host = serve.reachable_at(settings.HOST)
    base = urlsplit(settings.BASE_URL)
    headers = {"Host": base.netloc, "X-Forwarded-Proto": base.scheme}
    if token:
        headers["Authorization"] = f"Token {token}"
    return Client(f"http://{host}:{settings.PORT}", headers=headers)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped
