"""Workers that take one kind of work each do all of it together."""

import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from demo import photos as demo_photos
from tests.installation import ROOT, Installation
from tests.patience import wait_until

pytestmark = pytest.mark.usefixtures("photos_folder")


@pytest.fixture
def site(tmp_path: Path, measured: Mapping[str, str]) -> Iterator[Installation]:
    """An installation that is set up, and has no process of its own."""
    site = Installation(tmp_path / "data", FACEWATCH_WORKERS="1", **measured)
    site.manage("prepare")
    yield site
    assert site.processes() == {}


def worker(site: Installation, queues: str, *, until: ExitStack) -> None:
    """Start a worker of these queues; it is stopped in order."""
    process = until.enter_context(
        subprocess.Popen(
            [sys.executable, "manage.py", "worker", "--queues", queues],
            cwd=ROOT,
            env=site.environment,
        )
    )
    until.callback(process.wait, 60)
    until.callback(process.send_signal, signal.SIGTERM)


def stages(site: Installation) -> list[str]:
    return [stage for (stage,) in site.query("SELECT stage FROM recognition_photo")]


def test_one_that_finds_faces_and_one_that_recognises_finish_photos_together(
    site: Installation, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.jpg").write_bytes(demo_photos.path("hopper.jpg").read_bytes())
    with ExitStack() as until:
        worker(site, "deliver", until=until)
        worker(site, "detect", until=until)
        site.manage("ingest", str(tmp_path / "in"))
        wait_until(lambda: stages(site) == ["detected"])
        taken = dict(site.query("SELECT queues, doing FROM ledger_worker"))
        assert taken == {"deliver": "", "detect": ""}
        worker(site, "recognise", until=until)
        site.manage("sweep")
        wait_until(lambda: stages(site) == ["done"])
