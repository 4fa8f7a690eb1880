"""A watch-list's day, through the API of a real installation: hits, misses, false alerts, photos per second.

    python -m bench.day PEOPLE_DIR

PEOPLE_DIR has a folder per person, as Labeled Faces in the Wild has. The people with the most photos are enrolled with
three photos each and watched; then other photos of them and photos of strangers are uploaded.
"""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from recognition import engine
from tests.installation import Installation

#: Clients that upload at once.
CLIENTS = 8
ENROLLED_PHOTOS = 3
#: What the default engine's alerts keep within, unless a list says otherwise.
THRESHOLD = engine.THRESHOLDS["opencv"].alert


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Whose photos are enrolled and uploaded, by the name of the folder."""

    watched: dict[str, list[Path]]
    strangers: list[Path]


def plan(folder: Path, *, people: int, probes: int, strangers: int) -> Plan:
    """Return a fixed choice: the people with the most photos, and the first photo of others, in order of name."""
    photos = {
        child.name: sorted(child.glob("*.jpg"))
        for child in sorted(folder.iterdir())
        if child.is_dir()
    }
    most = sorted(photos, key=lambda name: -len(photos[name]))[:people]
    needed = ENROLLED_PHOTOS + probes // people
    short = [name for name in most if len(photos[name]) < needed]
    others = [paths[0] for name, paths in photos.items() if name not in most and paths]
    if len(most) < people or short or len(others) < strangers:
        sys.exit(
            f"{folder} has too few photos: {people} people with {needed} each and {strangers} others are needed."
        )
    step = len(others) / strangers
    return Plan(
        watched={name: photos[name] for name in most},
        strangers=[others[int(number * step)] for number in range(strangers)],
    )


def enrol(
    site: Installation, *, token: str, watched: dict[str, list[Path]]
) -> tuple[dict[str, str], set[Path], int]:
    """Enrol three photos of each; return name by person id, the photos that were tried, and how many were refused."""
    names: dict[str, str] = {}
    used: set[Path] = set()
    refused = 0
    for name, paths in watched.items():
        person = site.post("/api/v1/people/", token=token, name=name.replace("_", " ")).json()
        names[person["id"]] = name
        known = 0
        for path in paths:
            if known == ENROLLED_PHOTOS:
                break
            used.add(path)
            answer = site.upload(
                f"/api/v1/people/{person['id']}/photos/", path.read_bytes(), token=token
            )
            done = site.finished(answer.json(), token=token)["stage"] == "done"
            known += done
            refused += not done
    return names, used, refused


def run(folder: Path, *, people: int, probes: int, strangers: int, console: Console) -> bool:
    """Print the table; return whether every photo was done and every alert within the threshold."""
    chosen = plan(folder, people=people, probes=probes, strangers=strangers)
    with tempfile.TemporaryDirectory() as data:
        site = Installation(Path(data) / "data", FACEWATCH_WORKERS="2").start()
        try:
            return _measure(site, chosen, probes=probes, console=console)
        finally:
            site.stop()


def _measure(site: Installation, chosen: Plan, *, probes: int, console: Console) -> bool:
    token = site.token("bench", "manager")
    started = time.monotonic()
    names, used, refused = enrol(site, token=token, watched=chosen.watched)
    console.print(
        f"enrolled {len(names)} people in {time.monotonic() - started:.0f} s, {refused} photos refused"
    )
    site.post(
        "/api/v1/watchlists/", token=token, name="bench", people=list(names), cooldown_seconds=0
    )
    each = probes // len(names)
    wanted = {
        path: name
        for name, paths in chosen.watched.items()
        for path in [path for path in paths if path not in used][:each]
    }
    paths: dict[Path, str | None] = {**wanted, **dict.fromkeys(chosen.strangers)}
    started = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(
            pool.map(
                lambda path: site.upload("/api/v1/photos/", path.read_bytes(), token=token), paths
            )
        )
    accepted_in = time.monotonic() - started
    photos: dict[str, tuple[dict[str, Any], str | None]] = {}
    with Progress(console=console) as progress:
        for path, answer in progress.track(
            list(zip(paths, answers, strict=True)), description="recognising"
        ):
            photo = site.finished(answer.json(), token=token, seconds=600)
            photos[photo["id"]] = (photo, paths[path])
    seconds = time.monotonic() - started
    alerts = _alerts(site, token=token)
    hits: set[str] = set()
    wrong: set[str] = set()
    far = 0
    for alert in alerts:
        photo, name = photos[alert["photo"]["id"]]
        right = names[alert["person"]["id"]] == name
        (hits if right else wrong).add(photo["id"])
        far += alert["distance"] > THRESHOLD
    stages = [photo["stage"] for photo, _ in photos.values()]
    table = Table("figure", "value", title=f"{machine.describe()}", title_justify="left")
    rows = {
        "photos of watched people": len(wanted),
        "photos of strangers": len(chosen.strangers),
        "photos done": stages.count("done"),
        "hits (photos that raised an alert for the right person)": len(hits),
        "misses": len(wanted) - len(hits),
        "false alerts, on strangers": len({pk for pk in wrong if photos[pk][1] is None}),
        "false alerts, on watched people's photos (wrong or second person)": len(
            {pk for pk in wrong if photos[pk][1]}
        ),
        "alerts beyond the threshold": far,
        "accepted per second, 8 clients": f"{len(paths) / accepted_in:.1f}",
        "recognised per second, 2 workers": f"{len(paths) / seconds:.1f}",
    }
    for figure, value in rows.items():
        table.add_row(figure, str(value))
    console.print(table)
    return stages.count("done") == len(paths) and not far


def _alerts(site: Installation, *, token: str) -> list[dict[str, Any]]:
    """Return all alerts."""
    found: list[dict[str, Any]] = []
    address = "/api/v1/alerts/"
    while address:
        page = (
            site.get(address, token=token).json()
            if address.startswith("/")
            else site.request("GET", address, token=token).json()
        )
        found += page["results"]
        address = page["next"] or ""
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PEOPLE_DIR")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--probes", type=int, default=200)
    parser.add_argument("--strangers", type=int, default=200)
    options = parser.parse_args()
    fine = run(
        options.folder,
        people=options.people,
        probes=options.probes,
        strangers=options.strangers,
        console=Console(width=110),
    )
    sys.exit(0 if fine else 1)
