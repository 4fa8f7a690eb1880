"""Folders on a full backlog or disk: the command waits and says so, goes on by itself, and may be stopped."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from recognition.models import Photo
from tests import make
from tests.api.conftest import picture
from tests.disk import fill
from tests.installation import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

#: What the command prints when it waits.
WAITING = "waiting until there is room"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with a folder of five pictures."""
    folder = tmp_path / "pictures" / "Ada"
    folder.mkdir(parents=True)
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(picture(size=(40 + number, 30)).read())
    return folder.parent


@pytest.fixture(autouse=True)
def owner() -> Any:
    return make.user("admin", is_superuser=True)


def run_until_waiting(*arguments: Any, then: Callable[[], None], **options: Any) -> str:
    """The output of a command that waits, and for which `then` makes room."""
    output = StringIO()
    stored_when_waiting = []

    def make_room() -> None:
        while WAITING not in output.getvalue():
            time.sleep(0.05)
        stored_when_waiting.append(Photo.objects.count())
        then()
        connection.close()

    thread = threading.Thread(target=make_room)
    thread.start()
    call_command(*map(str, arguments), stdout=output, **options)
    thread.join()
    assert stored_when_waiting[0] < 5
    return output.getvalue()


def finish_all() -> None:
    """Finish what is stored, again and again, as workers would, until all five are."""
    while Photo.objects.filter(stage="done").count() < 5:
        Photo.objects.filter(stage="uploaded").update(stage="done", finished_at=timezone.now())
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["ingest", "enrol"])
def test_on_a_full_backlog_it_waits_and_goes_on(
    pictures: Path, settings: Any, command: str
) -> None:
    settings.MAX_BACKLOG = 2
    options = {"no_wait": True} if command == "enrol" else {}
    output = run_until_waiting(command, pictures, then=finish_all, **options)
    assert "2 photos wait already, 2 may; waiting until there is room." in output
    assert Photo.objects.filter(stage="done").count() == 5


def test_on_a_full_disk_it_waits_and_goes_on(
    pictures: Path, small_disk: Any, settings: Any
) -> None:
    folder = small_disk(megabytes=4)
    settings.DATA_DIR, settings.MEDIA_ROOT = folder, folder / "media"
    settings.MIN_FREE_BYTES = 2_000_000
    filler = fill(folder, leaving=1_000_000)
    output = run_until_waiting("ingest", pictures, then=filler.unlink)
    assert output.count("The server's disk is full; waiting until there is room.") == 1
    assert Photo.objects.count() == 5


def test_a_disk_that_is_full_in_spite_of_the_reserve_is_waited_for_as_well(
    pictures: Path, small_disk: Any, settings: Any
) -> None:
    settings.MEDIA_ROOT = small_disk(megabytes=1)
    filler = fill(settings.MEDIA_ROOT, leaving=4096)
    output = run_until_waiting("ingest", pictures, then=filler.unlink)
    assert "disk is full" in output
    assert Photo.objects.count() == 5


def test_it_may_be_stopped_while_it_waits_and_the_same_call_goes_on(
    pictures: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "FACEWATCH_DATA_DIR": str(tmp_path / "data")}
    manage = [sys.executable, "manage.py"]
    options: dict[str, Any] = {"cwd": ROOT, "env": environment, "text": True}
    subprocess.run([*manage, "prepare"], **options, capture_output=True, check=True)
    process = subprocess.Popen(
        [*manage, "ingest", str(pictures)],
        **options | {"env": {**environment, "FACEWATCH_MAX_BACKLOG": "2"}},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = []
    while WAITING not in (line := process.stdout.readline()):
        lines.append(line)
        assert line, "".join(lines)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same call goes on with the rest" in errors
    assert "Traceback" not in errors
    again = subprocess.run(
        [*manage, "ingest", str(pictures)], **options, capture_output=True, check=True
    )
    counts = dict(
        line.replace("│", " ").split() for line in again.stdout.splitlines() if "│" in line
    )
    assert counts == {"known": "2", "stored": "3"}
