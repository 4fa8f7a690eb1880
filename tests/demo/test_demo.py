"""The demonstration: from photos to an alert and an e-mail, by one command."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from demo import photos, scene, story
from recognition.engine import Engine, decode
from tests.databases import only_sqlite
from tests.installation import ROOT, Installation

#: It shows an installation as it comes.
pytestmark = only_sqlite


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, photos_folder: Path, measured: Mapping[str, str]
) -> Installation:
    """A data folder and a port of its own; nothing is started."""
    return Installation(tmp_path_factory.mktemp("demo"), **measured)


@pytest.fixture(scope="module")
def told(place: Installation) -> str:
    """What the demonstration printed on a fresh data folder."""
    return place.manage("demo", "--exit").stdout


def test_story_ends_with_the_alert_and_its_mail(told: str, place: Installation) -> None:
    # Digits further back depend on the processor.
    assert re.search(r"Barack Obama, distance 0\.1\d+, open", told)
    assert re.search(r"Emmanuel Macron, distance 0\.\d+, open", told)
    assert "Subject: Possible sighting of Barack Obama on Demonstration" in told
    assert f"To:      {story.RECIPIENT}" in told
    assert str(place.data_dir / "mail") in told


def test_story_shows_strangers_and_a_photo_of_nobody(told: str) -> None:
    assert told.count("somebody unknown") == 4
    assert "no face" in told


@pytest.mark.parametrize(
    ("distance", "text", "colour"),
    [
        (0.53, "Ada Example  0.53", scene.ALERT),
        (0.54, "Ada Example?  0.54", scene.CANDIDATE),
        (None, "unknown", scene.UNKNOWN),
    ],
)
def test_a_face_is_labelled_by_its_nearest_candidate(
    distance: float | None, text: str, colour: tuple[int, int, int]
) -> None:
    candidates = [{"person": {"name": "Ada Example"}, "distance": distance}] if distance else []
    shown = scene.label({"box": {}, "candidates": candidates}, threshold=0.53)
    assert (shown.text, shown.colour) == (text, colour)


def test_story_names_the_authors_the_address_and_the_user(told: str, place: Installation) -> None:
    assert all(photo.credit in told for photo in photos.PHOTOS)
    assert f"Facewatch is at {place.url}/" in told
    assert "Sign in as admin." in told


def test_picture_is_in_the_data_folder(told: str, place: Installation) -> None:
    with Image.open(place.data_dir / story.PICTURE) as picture:
        assert picture.size == scene.SIZE


def test_second_call_mails_nothing_again(told: str, place: Installation) -> None:
    mails = place.mails()
    again = place.manage("demo", "--exit").stdout
    assert "Subject: Possible sighting of Barack Obama" in again
    assert place.mails() == mails


def test_nothing_is_left_running(told: str, place: Installation) -> None:
    assert place.processes() == {}


def test_running_server_is_named_with_what_to_do(installation: Installation) -> None:
    refused = installation.manage("demo", "--exit", check=False)
    assert refused.returncode == 1
    assert "running" in refused.stderr
    assert "Stop it first" in refused.stderr


@pytest.fixture
def serving(told: str, place: Installation) -> Iterator[subprocess.Popen[str]]:
    """The demonstration, when its story is told and it serves on."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env=place.environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert any("Stop with Ctrl-C" in line for line in process.stdout)
        yield process
        if process.poll() is None:
            process.kill()


def test_server_goes_on_until_a_signal_and_ends_in_order(
    serving: subprocess.Popen[str], place: Installation
) -> None:
    assert place.get("/readyz").status == 200
    serving.send_signal(signal.SIGINT)
    serving.communicate(timeout=60)
    assert serving.returncode == 0
    assert place.processes() == {}


def test_scene_is_the_same_each_time(photos_folder: Path) -> None:
    assert scene.compose() == scene.compose()


def test_scene_shows_each_portrait_to_the_engine(
    photos_folder: Path, engine: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "group.jpg"
    file.write_bytes(scene.compose())
    found = engine.detect(decode(file))
    assert len(found) == len(scene.PORTRAITS)
    assert min(detection.box.width for detection in found) >= 100 * scene.SIZE[0] / 1280
