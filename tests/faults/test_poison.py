"""A photo that native code does not survive costs its attempts, and no other photo anything."""

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from tests.faults.poisoned import CRASHES, HANGS
from tests.installation import ROOT, Installation
from tests.patience import wait_until
from tests.pictures import small_copy

#: Seconds of a lease, at whose end a worker that hangs is ended.
LEASE_SECONDS = 2


@pytest.fixture
def site(tmp_path: Path, photos_folder: Path) -> Installation:
    """An installation that is set up and does not run."""
    site = Installation(
        tmp_path / "data", FACEWATCH_LEASE_SECONDS=str(LEASE_SECONDS), FACEWATCH_WORKERS="2"
    )
    site.manage("prepare")
    return site


@pytest.fixture
def processes(site: Installation) -> Iterator[ExitStack]:
    """Where a test registers what it starts; it has ended when the test has."""
    with ExitStack() as stack:
        yield stack
    assert site.processes() == {}


def start(site: Installation, processes: ExitStack, *command: str) -> subprocess.Popen[bytes]:
    """Start a process of the installation that is stopped, in order, when the test ends."""
    process = processes.enter_context(
        subprocess.Popen([sys.executable, *command], cwd=ROOT, env=site.environment)
    )
    processes.callback(process.terminate)
    return process


def store(site: Installation, folder: Path, **photos: bytes) -> None:
    folder.mkdir()
    for name, data in photos.items():
        (folder / f"{name}.png").write_bytes(data)
    site.manage("ingest", str(folder))


def picture(*, width: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, 200), "teal").save(data, "PNG")
    return data.getvalue()


def stages(site: Installation) -> dict[int, tuple[str, str]]:
    """The stage of photos, and what went wrong with them, by their width."""
    rows = site.query("SELECT width, stage, error_code FROM recognition_photo")
    return {width: (stage, code) for width, stage, code in rows}


def count(site: Installation, condition: str) -> int:
    sql = f"SELECT count(*) FROM recognition_photo WHERE {condition}"  # noqa: S608 (the test's own)
    return int(site.query(sql)[0][0])


def test_photos_that_hang_or_crash_their_workers_fail_and_hold_up_no_other(
    site: Installation, processes: ExitStack, tmp_path: Path
) -> None:
    poison = {"a": picture(width=HANGS), "b": picture(width=CRASHES)}
    store(site, tmp_path / "first", **poison, c=small_copy(number=1), d=small_copy(number=2))
    consumer = start(site, processes, "-m", "tests.faults.poisoned")
    start(site, processes, "manage.py", "sweep", "--every", "0.5")

    wait_until(lambda: count(site, "stage = 'done'") == 2, seconds=90)
    assert {width: stages(site)[width][0] for width in (HANGS, CRASHES)} == {
        HANGS: "uploaded",
        CRASHES: "uploaded",
    }, "the others waited for them"

    wait_until(lambda: count(site, "stage = 'failed'") == 2, seconds=120)
    assert stages(site)[HANGS] == stages(site)[CRASHES] == ("failed", "worker_died")

    store(site, tmp_path / "second", e=small_copy(number=3))
    wait_until(lambda: count(site, "stage = 'done'") == 3, seconds=90)
    assert count(site, "lease_until IS NOT NULL OR lease_token IS NOT NULL") == 0
    assert consumer.poll() is None, "the consumer itself died"
    consumer.send_signal(signal.SIGTERM)
    assert consumer.wait(30) == 0
