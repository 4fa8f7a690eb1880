"""One command that stays up, and leaves nothing behind when it goes."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from demo import photos as demo_photos
from tests.installation import Installation, signal_all

pytestmark = pytest.mark.usefixtures("photos_folder")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """An installation that a test may break."""
    running = Installation(tmp_path / "data")
    yield running
    signal_all(running.processes(), signal.SIGKILL)


def wait_until(condition: Callable[[], bool], *, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def named(installation: Installation, word: str) -> dict[int, str]:
    return {pid: line for pid, line in installation.processes().items() if word in line}


def test_it_says_where_it_is_who_signs_in_and_how(own: Installation) -> None:
    own.start()
    wait_until(lambda: any("Stop with Ctrl-C" in line for line in own.lines))
    said = "\n".join(own.lines)
    assert f"Facewatch is at {own.url}/" in said
    assert "Sign in as admin." in said
    assert "manage.py changepassword admin" in said
    assert own.stop() == 0
    assert own.processes() == {}


def test_a_second_one_on_the_same_data_is_refused_and_a_taken_port_is_said(
    own: Installation,
) -> None:
    own.start()
    second = own.manage("serve", check=False)
    assert second.returncode == 1
    assert "is running on" in second.stderr
    assert "Stop it first" in second.stderr
    assert own.stop() == 0
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        third = own.manage("serve", check=False)
    assert third.returncode == 1
    assert "Set FACEWATCH_PORT to a free port" in third.stderr


def test_killed_parts_come_back_and_no_photo_is_lost(own: Installation) -> None:
    own.start()
    token = own.token("flow", "manager")
    uploads = [
        own.upload("/api/v1/photos/", demo_photos.path(name).read_bytes(), token=token).json()
        for name in ("obama-2005.jpg", "obama-2009.jpg", "sunak.jpg")
    ]
    signal_all(named(own, "manage.py worker"), signal.SIGKILL)
    signal_all(named(own, "manage.py sweep"), signal.SIGKILL)
    signal_all(named(own, "granian"), signal.SIGKILL)
    wait_until(lambda: bool(named(own, "granian") and named(own, "manage.py sweep")))
    assert own.process is not None
    assert own.process.poll() is None
    # What a killed worker held is free when its lease ends; here it ends at once, by a clock set forward.
    own.manage("shell", "-c", EXPIRE_LEASES)
    own.wait_until_ready()
    for photo in uploads:
        assert own.finished(photo, token=token, seconds=90)["stage"] == "done"
    assert own.stop() == 0
    assert own.processes() == {}


def test_killing_the_supervisor_leaves_no_process(own: Installation) -> None:
    own.start()
    assert len(own.processes()) >= 5
    own.kill()
    wait_until(lambda: own.processes() == {})


#: Run in the installation: every lease has run out.
EXPIRE_LEASES = """
from django.utils import timezone
from recognition.models import Photo
Photo.objects.exclude(lease_until=None).update(lease_until=timezone.now())
"""
