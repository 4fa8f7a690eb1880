"""Living installations, saved, wiped, restored and moved to another database while photos come in."""

import hashlib
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from demo import photos as demo_photos
from facewatch.moving.tables import carried
from tests import servers
from tests.databases import only_sqlite
from tests.installation import ROOT, Installation, signal_all
from tests.patience import wait_until
from tests.pictures import small_copy

pytestmark = pytest.mark.usefixtures("photos_folder")

#: What a worker had in its hands when a backup was made is free after so long.
SHORT = {"FACEWATCH_LEASE_SECONDS": "10"}
#: Rows that a copy takes a few seconds for.
MANY = 40_000
FINAL = {"done", "failed"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    """An installation that runs, in which nothing is held for long."""
    running = Installation(tmp_path / "data", **SHORT).start()
    yield running
    signal_all(running.processes(), signal.SIGKILL)


def watch_for_obama(site: Installation, *, token: str) -> dict[str, Any]:
    """Make a person known and watched, and somebody who hears of it; return the person."""
    person: dict[str, Any] = site.post("/api/v1/people/", token=token, name="Barack Obama").json()
    for name in ("obama-2005.jpg", "obama-2009.jpg"):
        photo = demo_photos.path(name).read_bytes()
        answer = site.upload(f"/api/v1/people/{person['id']}/photos/", photo, token=token)
        assert site.finished(answer.json(), token=token)["stage"] == "done"
    watchlist = site.post("/api/v1/watchlists/", token=token, name="Lobby", people=[person["id"]])
    site.post(
        "/api/v1/subscriptions/",
        token=token,
        watchlist=watchlist.json()["id"],
        mode="instant",
        channel="email",
        target="security@example.org",
    )
    return person


def seen(site: Installation, name: str, *, token: str) -> list[str]:
    """Upload a photo; return who is on it."""
    answer = site.upload("/api/v1/photos/", demo_photos.path(name).read_bytes(), token=token)
    assert answer.status == 202, answer.body
    photo = site.finished(answer.json(), token=token)
    return [one["person"]["name"] for face in photo["faces"] for one in face["candidates"]]


@contextmanager
def uploading(site: Installation, *, token: str) -> Iterator[list[str]]:
    """Upload one photo after the other meanwhile; give the ids of those that were accepted."""
    accepted: list[str] = []
    stop = threading.Event()

    def upload() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            photo = small_copy("hopper.jpg", number=number)
            answer = site.upload("/api/v1/photos/", photo, token=token)
            accepted.append(answer.json()["id"])
            time.sleep(0.2)

    thread = threading.Thread(target=upload)
    thread.start()
    try:
        wait_until(lambda: len(accepted) > 1)
        yield accepted
    finally:
        stop.set()
        thread.join()


def rows(site: Installation) -> dict[str, list[str]]:
    """The rows of every table that is taken along, as the database itself has them."""
    tables = [table.model._meta.db_table for table in carried()]
    queries = {name: f'SELECT * FROM "{name}"' for name in tables}  # noqa: S608 (our own tables)
    return {name: sorted(map(repr, site.query(query))) for name, query in queries.items()}


def files(site: Installation) -> dict[str, str]:
    """The hash of each stored file."""
    media = site.data_dir / "media"
    return {
        str(path.relative_to(media)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in media.rglob("*")
        if path.is_file()
    }


def stages(site: Installation) -> dict[str, str]:
    found = site.query("SELECT id, stage FROM recognition_photo")
    return {str(key).replace("-", ""): stage for key, stage in found}


def killed(site: Installation, *arguments: str, at: str) -> int:
    """Export or import, and be killed at a place; return the exit status."""
    command = [sys.executable, "-m", "tests.flows.killed", *arguments, at]
    return subprocess.run(command, cwd=ROOT, env=site.environment, check=False).returncode


def another(site: Installation, folder: Path) -> Installation:
    """A new installation, with an empty data folder and an empty database."""
    other = Installation(folder, **SHORT)
    assert not other.data_dir.exists()
    if servers.ARE_USED:
        assert other.environment["DATABASE_URL"] != site.environment["DATABASE_URL"]
    return other


def test_a_wiped_installation_is_restored_and_goes_on(site: Installation, tmp_path: Path) -> None:
    token = site.token()
    watch_for_obama(site, token=token)
    assert seen(site, "obama-2012.jpg", token=token) == ["Barack Obama"]
    wait_until(lambda: len(site.mails()) == 1)
    backup = str(tmp_path / "backup")
    with uploading(site, token=token):
        site.manage("export", backup)
    assert site.stop() == 0
    for place in ("rows", "files"):
        assert killed(site, "export", backup, at=place) == -signal.SIGKILL
        # The backup before is still whole.
        assert "is whole" in site.manage("export", backup, "--verify").stdout
    # The same folder again: what came since.
    site.manage("export", backup)
    assert "is whole" in site.manage("export", backup, "--verify").stdout
    before = rows(site), files(site), (site.data_dir / "secret_key").read_text()
    shutil.rmtree(site.data_dir)

    new = another(site, tmp_path / "new")
    for place in ("files", "rows"):
        assert killed(new, "import", backup, at=place) == -signal.SIGKILL
        assert new.query("SELECT id FROM recognition_photo") == []
    new.manage("import", backup, "--moved")
    assert (rows(new), files(new), (new.data_dir / "secret_key").read_text()) == before
    try:
        new.launch().wait_until_ready()
        # Who had a token has it, and who was known is found in the next photo.
        assert seen(new, "obama-2010.jpg", token=token) == ["Barack Obama"]
        wait_until(lambda: set(stages(new).values()) <= FINAL)
        assert set(stages(new).values()) == {"done"}
        # What had been told is not told again: only what was seen since.
        assert len(new.mails()) <= 1
        assert new.stop() == 0
    finally:
        signal_all(new.processes(), signal.SIGKILL)


def test_a_backup_that_is_taken_while_photos_come_in_is_of_one_moment(
    site: Installation, tmp_path: Path
) -> None:
    token = site.token()
    backup = tmp_path / "backup"
    with uploading(site, token=token) as accepted:
        time.sleep(1)
        stored = len(accepted)
        exported = site.manage("export", str(backup))
    assert exported.stderr == ""
    assert site.stop() == 0
    copy = another(site, tmp_path / "copy")
    restored = copy.manage("import", str(backup))
    assert restored.stderr == ""
    kept = stages(copy)
    # All that was accepted before it began is in it, whole; what came later is not, or whole as well.
    assert {key.replace("-", "") for key in accepted[:stored]} <= kept.keys()
    assert len(kept) < len(accepted)
    try:
        copy.launch().wait_until_ready()
        wait_until(lambda: set(stages(copy).values()) <= FINAL)
        assert set(stages(copy).values()) == {"done"}
        assert copy.stop() == 0
    finally:
        signal_all(copy.processes(), signal.SIGKILL)


def count(url: str, table: str) -> int:
    """How many rows a table of a PostgreSQL has; -1 if it is not there."""
    with psycopg.connect(url) as database:
        try:
            query = f"SELECT count(*) FROM {table}"  # noqa: S608 (our own tables)
            found = database.execute(query.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return -1
    assert found
    return int(found[0])


def killed_copy(site: Installation, url: str, *, table: str, rows: int) -> None:
    """Start to copy, and kill that as soon as the target's table has so many rows."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "migrate-to", url],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(lambda: count(url, table) >= rows)
        assert process.poll() is None, "it was done before it was killed"
    finally:
        process.kill()
        process.wait(10)


@only_sqlite
def test_a_living_installation_moves_to_postgresql_through_kills(
    site: Installation, tmp_path: Path
) -> None:
    token = site.token()
    watch_for_obama(site, token=token)
    assert seen(site, "obama-2012.jpg", token=token) == ["Barack Obama"]
    site.query(
        "INSERT INTO recognition_tombstone (known_face_id, revision) WITH RECURSIVE numbers(n) AS"
        " (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 40000) SELECT n, 0 FROM numbers"
    )
    url = servers.postgres().create()
    with uploading(site, token=token):
        killed_copy(site, url, table="facewatch_copy", rows=1)
        killed_copy(site, url, table="recognition_tombstone", rows=MANY // 4)
        killed_copy(site, url, table="recognition_tombstone", rows=MANY * 3 // 4)
        half = Installation(tmp_path / "half", DATABASE_URL=url).manage("prepare", check=False)
        running = site.manage("migrate-to", url)
    # Nobody works on a half of it.
    assert half.returncode == 1
    assert "is an unfinished copy" in half.stderr
    assert "Stop it, and call this again." in running.stdout
    # Photos that wait, whatever the workers do.
    paused = site.send("PUT", "/api/v1/queue/pauses/photo:uploaded/", token=token, reason="moving")
    assert paused.status == 201
    waiting = site.upload(
        "/api/v1/photos/", demo_photos.path("obama-2010.jpg").read_bytes(), token=token
    ).json()
    assert site.stop() == 0
    stopped = site.manage("migrate-to", url)
    assert f"Now set DATABASE_URL={url}" in stopped.stdout
    assert "differs" not in site.manage("migrate-to", url, "--verify").stdout
    mails = len(site.mails())
    vectors = "SELECT engine, {} FROM recognition_embedding ORDER BY id"
    here = site.query(vectors.format("lower(hex(vector))"))
    photos = stages(site)

    site.environment["DATABASE_URL"] = url
    assert site.query(vectors.format("encode(vector, 'hex')")) == here
    assert stages(site) == photos
    site.launch().wait_until_ready()
    site.request("DELETE", "/api/v1/queue/pauses/photo:uploaded/", token=token)
    done = site.finished(waiting, token=token)
    (face,) = done["faces"]
    assert face["candidates"][0]["person"]["name"] == "Barack Obama"
    wait_until(lambda: set(stages(site).values()) <= FINAL)
    assert set(stages(site).values()) == {"done"}
    assert len(site.mails()) in {mails, mails + 1}
    assert site.stop() == 0
    # Nobody overwrites it from the old file.
    del site.environment["DATABASE_URL"]
    late = site.manage("migrate-to", url, check=False)
    assert late.returncode == 1
    assert "has worked on the target since" in late.stderr
