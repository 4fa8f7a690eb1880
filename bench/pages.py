"""How long the pages take to open with few rows and with many, and what they cost in requests and bytes.

    python -m bench.pages [--photos 10000] [--alerts 5000] [--opens 7] [--markdown FILE]

Two installations, one with a hundredth of the rows, are opened in Chromium in turn, each page with nothing kept from
before and once more. The rows are copies of photos that a worker has recognised, each with its own files. Ends with
status 1 if a page with many rows takes more than twice the time of the same page with few, or has more requests.
"""

import argparse
import io
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from demo import photos as demo_photos
from tests.installation import Installation
from tests.pages.visiting import PASSWORD, sign_in

PEOPLE = {"Barack Obama": ("obama-2005.jpg", "obama-2009.jpg"), "Grace Hopper": ("hopper.jpg",)}
UPLOADS = ("obama-2010.jpg", "obama-2012.jpg", "biden-2010.jpg", "collins.png", "coffee.png")
#: Rows of the small installation for one of the large.
SHARE = 1 / 100
#: Most by which a page may take longer with many rows.
GOAL = 2.0
#: A page that takes less than this is fast enough, whatever the ratio: milliseconds.
FLOOR = 150.0
#: Requests that a page may make beyond those with few rows: pictures that a full page has and a small one has not.
MORE_REQUESTS = 24

#: Fills an installation: each recognised upload becomes many, a minute apart, with links to the files of the first.
FILL = """
import os, uuid
from datetime import timedelta
from django.conf import settings
from django.utils import timezone
from alerts.models import Alert, WatchList
from recognition.models import Embedding, Face, Photo, Sighting

photos, alerts = {photos}, {alerts}
first = list(Photo.objects.filter(purpose="upload", stage="done").order_by("created_at"))
facts = [
    (photo, list(photo.faces.all()), list(photo.sightings.all())) for photo in first
]
# Every second one shows somebody who is watched.
shows = [fact for fact in facts if fact[2]]
others = [fact for fact in facts if not fact[2]]
media = settings.MEDIA_ROOT
rows, faces, sightings, embeddings, watched = [], [], [], [], []
now = timezone.now()
for number in range(photos - len(first)):
    chosen = shows if number % 2 else others
    photo, its_faces, its_sightings = chosen[number // 2 % len(chosen)]
    moment = now - timedelta(minutes=number)
    copy = Photo(**{{f.attname: getattr(photo, f.attname) for f in Photo._meta.concrete_fields}})
    copy.id, copy.sha256 = uuid.uuid4(), uuid.uuid4().hex * 2
    copy.created_at, copy.finished_at = moment, moment + timedelta(seconds=1)
    copy.idempotency_key = ""
    copy.source = f"gate {{number % 7}}"
    (media / copy.folder).mkdir(parents=True)
    for old, new in ((photo.picture_name, copy.picture_name), (photo.thumbnail_name, copy.thumbnail_name)):
        os.link(media / old, media / new)
    rows.append(copy)
    by_face = {{}}
    for face in its_faces:
        twin = Face(**{{f.attname: getattr(face, f.attname) for f in Face._meta.concrete_fields}})
        twin.id, twin.photo_id = uuid.uuid4(), copy.id
        os.link(media / face.chip_name, media / twin.chip_name)
        by_face[face.id] = twin
        faces.append(twin)
        embeddings.append(Embedding(face_id=twin.id, engine=face.engine, vector=face.embedding.vector))
    for sighting in its_sightings:
        twin = Sighting(**{{f.attname: getattr(sighting, f.attname) for f in Sighting._meta.concrete_fields}})
        twin.id, twin.photo_id, twin.face_id = None, copy.id, by_face[sighting.face_id].id
        sightings.append(twin)
        watched.append((copy, twin))
Photo.objects.bulk_create(rows, batch_size=500)
Face.objects.bulk_create(faces, batch_size=500)
Embedding.objects.bulk_create(embeddings, batch_size=500)
Sighting.objects.bulk_create(sightings, batch_size=500)
watchlist = WatchList.objects.get()
missing = alerts - Alert.objects.count()
made = Alert.objects.bulk_create(
    [
        Alert(
            watchlist=watchlist, person_id=twin.person_id, face_id=twin.face_id, photo=copy,
            distance=twin.distance, threshold=0.53, margin=twin.margin,
        )
        for copy, twin in watched[:missing]
    ],
    batch_size=500,
)
# Raised a moment after their photos, not all at once.
for alert in made:
    alert.created_at = alert.photo.created_at + timedelta(seconds=2)
Alert.objects.bulk_update(made, ["created_at"], batch_size=500)
print(Photo.objects.filter(purpose="upload").count(), Alert.objects.filter(status="open").count())
"""


@dataclass(kw_only=True)
class Opened:
    """What it took to open one page: milliseconds until the document began to arrive and until all was loaded."""

    answered: list[float] = field(default_factory=list)
    loaded: list[float] = field(default_factory=list)
    requests: int = 0
    bytes: int = 0


def furnished(folder: Path, *, photos: int, alerts: int, say: Console) -> Installation:
    """Return an installation that runs, with so many photos and open alerts."""
    running = Installation(folder, FACEWATCH_MAX_BACKLOG="1000000").start()
    token = running.token("olga", "manager")
    running.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        f"user = User.objects.get(username='olga'); user.set_password('{PASSWORD}'); user.save()",
    )
    people = []
    for name, files in PEOPLE.items():
        person = running.post("/api/v1/people/", token=token, name=name).json()
        people.append(person["id"])
        for file in files:
            path = f"/api/v1/people/{person['id']}/photos/"
            enrolment = running.upload(path, demo_photos.path(file).read_bytes(), token=token)
            running.finished(enrolment.json(), token=token)
    running.post(
        "/api/v1/watchlists/", token=token, name="Lobby", people=people, cooldown_seconds=0
    )
    for file in UPLOADS:
        photo = running.upload("/api/v1/photos/", demo_photos.path(file).read_bytes(), token=token)
        running.finished(photo.json(), token=token)
    filled = running.manage(
        "shell", "--verbosity", "0", "--command", FILL.format(photos=photos, alerts=alerts)
    )
    say.print(f"photos and open alerts: {filled.stdout.strip()}")
    return running


@contextmanager
def visit(browser: Browser, installation: Installation) -> Iterator[tuple[Page, CDPSession]]:
    """Give a page of a browser without history on which olga has signed in, and its wire."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{installation.url}/login/")
    sign_in(page)
    page.get_by_text("olga").wait_for()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    yield page, wire
    context.close()


def open_page(page: Page, wire: CDPSession, url: str, *, into: Opened, cold: bool) -> None:
    """Open one page, and note what that took."""
    if cold:
        wire.send("Network.clearBrowserCache")
    received: dict[str, float] = {}

    def finish(event: Any) -> None:
        received[event["requestId"]] = event["encodedDataLength"]

    page.goto("about:blank")
    wire.on("Network.loadingFinished", finish)
    page.goto(url, wait_until="load")
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    page.wait_for_timeout(150)
    wire.remove_listener("Network.loadingFinished", finish)
    into.answered.append(timing["responseStart"])
    into.loaded.append(timing["loadEventEnd"])
    into.requests = max(into.requests, len(received))
    into.bytes = max(into.bytes, round(sum(received.values())))


def addresses(installation: Installation) -> dict[str, str]:
    """Return what is opened, by name; some addresses hold ids of the installation's own rows."""
    token = installation.token("olga", "manager")
    person = installation.get("/api/v1/people/", token=token).json()["results"][0]["id"]
    middle = installation.manage("shell", "--verbosity", "0", "--command", MIDDLE).stdout.strip()
    return {
        "front page": "/",
        "photos, newest": "/photos/",
        "photos, in the middle": f"/photos/?before={middle}",
        "photos of a person": f"/photos/?person={person}",
        "photos without faces": "/photos/?faces=without",
        "review": "/alerts/",
        "alerts, list": "/alerts/all/",
        "people": "/people/",
        "one person": f"/people/{person}/",
        "queue": "/queue/",
    }


MIDDLE = """
from recognition.models import Photo
rows = Photo.objects.filter(purpose="upload").order_by("-created_at", "-id")
row = rows[rows.count() // 2]
print(f"{row.created_at:%Y-%m-%dT%H:%M:%S.%f}%2B00:00_{row.pk}")
"""


def measure(few: Installation, many: Installation, *, opens: int, say: Console) -> dict[str, Any]:
    """Return what it took to open each page of both, cold and warm, taken in turn."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    found: dict[str, Any] = {}
    with sync_playwright() as playwright, ExitStack() as stack:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        stack.callback(browser.close)
        visits = [
            (name, one, addresses(one), *stack.enter_context(visit(browser, one)))
            for name, one in (("few", few), ("many", many))
        ]
        with Progress(console=say) as progress:
            for title in progress.track(list(visits[0][2]), description="opening"):
                kinds = [(size, way) for size in ("few", "many") for way in ("cold", "warm")]
                found[title] = {kind: Opened() for kind in kinds}
                for _ in range(opens):
                    for size, one, urls, page, wire in visits:
                        for way in ("cold", "warm"):
                            into = found[title][size, way]
                            url = one.url + urls[title]
                            open_page(page, wire, url, into=into, cold=way == "cold")
    return found


def ratio(rows: dict[tuple[str, str], Opened]) -> float:
    """Return how many times as long a page takes with many rows, cold: the median of pairs that were taken in turn."""
    few, many = rows["few", "cold"], rows["many", "cold"]
    return statistics.median(b / a for a, b in zip(few.loaded, many.loaded, strict=True))


def missed(found: dict[str, Any]) -> list[str]:
    """Return the pages that cost more with many rows than they may."""
    late = []
    for title, rows in found.items():
        few, many = rows["few", "cold"], rows["many", "cold"]
        slow = ratio(rows) > GOAL and statistics.median(many.loaded) > FLOOR
        if slow or many.requests > few.requests + MORE_REQUESTS:
            late.append(title)
    return late


def table(found: dict[str, Any], *, photos: int, alerts: int) -> Table:
    """Return the table for the terminal."""
    shown = Table(title=f"Opening pages, {photos} photos and {alerts} open alerts; medians")
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column == "page" else "right")
    for row in lines(found):
        shown.add_row(*row)
    return shown


COLUMNS = ("page", "first byte", "loaded", "again", "requests", "kB", "again kB", "to a hundredth")


def lines(found: dict[str, Any]) -> list[list[str]]:
    """Return the rows of the table: milliseconds, requests and kilobytes with many rows, and the ratio."""
    answer = []
    for title, rows in found.items():
        cold, warm = rows["many", "cold"], rows["many", "warm"]
        answer.append(
            [
                title,
                f"{statistics.median(cold.answered):.0f} ms",
                f"{statistics.median(cold.loaded):.0f} ms",
                f"{statistics.median(warm.loaded):.0f} ms",
                str(cold.requests),
                f"{cold.bytes / 1000:.0f}",
                f"{warm.bytes / 1000:.0f}",
                f"{ratio(rows):.2f}",
            ]
        )
    return answer


def markdown(found: dict[str, Any]) -> str:
    """Return the table for docs/benchmarks.md."""
    file = io.StringIO()
    print("| " + " | ".join(COLUMNS) + " |", file=file)
    print("|---" * len(COLUMNS) + "|", file=file)
    for row in lines(found):
        print("| " + " | ".join(row) + " |", file=file)
    return file.getvalue()


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--alerts", type=int, default=5_000)
    parser.add_argument("--opens", type=int, default=7)
    parser.add_argument("--markdown", type=Path)
    chosen = parser.parse_args()
    say = Console()
    say.print(machine.describe())
    demo_photos.fetch(progress=say.print)
    with tempfile.TemporaryDirectory(prefix="facewatch-bench-") as folder, ExitStack() as stack:
        sizes = [(round(chosen.photos * part), round(chosen.alerts * part)) for part in (SHARE, 1)]
        running = []
        for number, (photos, alerts) in enumerate(sizes):
            path = Path(folder) / str(number)
            path.mkdir()
            one = furnished(path, photos=photos, alerts=alerts, say=say)
            stack.callback(one.stop)
            running.append(one)
        found = measure(*running, opens=chosen.opens, say=say)
    say.print(table(found, photos=chosen.photos, alerts=chosen.alerts))
    if chosen.markdown:
        chosen.markdown.write_text(markdown(found))
    late = missed(found)
    if late:
        say.print(f"Too slow or too many requests: {json.dumps(late)}")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
