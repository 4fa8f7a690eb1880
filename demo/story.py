"""The story that the demonstration plays through the API: people are enrolled, photos come in, an alert goes out."""

import email
import email.policy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from rich.console import Console

from demo import photos, scene
from demo.client import Client

#: Who becomes known, and by which older photos.
PEOPLE = {
    "Barack Obama": ("obama-2005.jpg", "obama-2009.jpg"),
    "Jacinda Ardern": ("ardern-2018.jpg",),
    "Emmanuel Macron": ("macron-2014.jpg",),
}
#: Photos that come in one by one: a newer one of somebody known, a stranger, and one without anybody.
NEWER = ("obama-2010.jpg", "sunak.jpg", "coffee.png")
WATCHLIST = "Demonstration"
RECIPIENT = "security@example.org"
#: The picture with boxes and names, in the data folder.
PICTURE = "demo.jpg"
#: Where uploads say that they come from.
SOURCE = "demonstration"
#: Seconds within which the e-mail of an alert must be there, and between two looks.
MAIL_SECONDS, LOOK_SECONDS = 30.0, 0.1
#: Lines of the e-mail that are shown.
MAIL_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where the story plays: the server, the screen, and the folders of pictures and of mails."""

    client: Client
    console: Console
    data_dir: Path
    mail_dir: Path


def play(stage: Stage) -> None:
    """Tell the whole story; told again on the same data it finds everything there and changes nothing.

    Raises what `demo.client` raises, and RuntimeError when the story ends otherwise than it should.
    """
    people = [
        _enrol(stage, name=name, pictures=[photos.path(file) for file in files])
        for name, files in PEOPLE.items()
    ]
    watchlist = _watch(stage, people=people)
    for file in NEWER:
        _upload(stage, photos.path(file).read_bytes(), what=file, watchlist=watchlist)
    with _step(stage, "composed a group picture of six people"):
        group = scene.compose()
    photo = _upload(stage, group, what="the group picture", watchlist=watchlist)
    limit = watchlist["effective_threshold"]
    labels = [scene.label(face, threshold=limit) for face in photo["faces"]]
    picture = stage.data_dir / PICTURE
    picture.write_bytes(scene.draw(group, labels=labels))
    _say(stage, f"         with boxes and names: {picture}")
    _tell(stage, photo)


def find_mail(folder: Path, *, alert: str) -> tuple[Path, EmailMessage] | None:
    """Return the e-mail that tells of an alert, with its file; None if there is none (yet)."""
    for file in sorted(folder.glob("*.eml"), reverse=True):
        mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        body = mail.get_body(("plain",))
        if mail["To"] == RECIPIENT and body is not None and alert in body.get_content():
            return file, mail
    return None


def _enrol(stage: Stage, *, name: str, pictures: list[Path]) -> str:
    """Make a person known and return their id."""
    client = stage.client
    files = ", ".join(picture.name for picture in pictures)
    with _step(stage, f"enrolled {name} by {files}"):
        person = client.find("/api/v1/people/", name=name) or client.post(
            "/api/v1/people/", name=name
        )
        sent = [
            client.upload(f"/api/v1/people/{person['id']}/photos/", picture.read_bytes())
            for picture in pictures
        ]
        for photo in [client.finished(photo) for photo in sent]:
            if photo["stage"] != "done":
                raise RuntimeError(f"{name} could not be enrolled: {photo['error']['detail']}")
    return str(person["id"])


def _watch(stage: Stage, *, people: list[str]) -> Any:
    """Put people on the watch-list, with somebody who hears of it at once; return the list."""
    client = stage.client
    with _step(stage, f"put them on a watch-list; {RECIPIENT} hears of it at once"):
        watchlist = client.find("/api/v1/watchlists/", name=WATCHLIST)
        if watchlist is None:
            watchlist = client.post(
                "/api/v1/watchlists/", name=WATCHLIST, people=people, cooldown_seconds=0
            )
        elif not set(people) <= set(watchlist["people"]):
            everybody = sorted({*people, *watchlist["people"]})
            watchlist = client.patch(f"/api/v1/watchlists/{watchlist['id']}/", people=everybody)
        path = f"/api/v1/subscriptions/?watchlist={watchlist['id']}"
        if client.find(path, target=RECIPIENT) is None:
            client.post(
                "/api/v1/subscriptions/",
                watchlist=watchlist["id"],
                mode="instant",
                channel="email",
                target=RECIPIENT,
            )
    return watchlist


def _upload(stage: Stage, image: bytes, *, what: str, watchlist: Any) -> dict[str, Any]:
    """Send a photo, wait for the workers, show what they saw, and return it."""
    with _step(stage, f"uploaded {what}; it was looked at"):
        sent = stage.client.upload("/api/v1/photos/", image, source=SOURCE)
        photo = stage.client.finished(sent)
    if photo["stage"] != "done":
        raise RuntimeError(f"{what} failed: {photo['error']['detail']}")
    for face in photo["faces"]:
        _say(stage, f"         {_describe(face, threshold=watchlist['effective_threshold'])}")
    if not photo["faces"]:
        _say(stage, "         no face")
    return photo


def _describe(face: dict[str, Any], *, threshold: float) -> str:
    """Return what a face means for the watch-list, in a line."""
    if not face["candidates"]:
        return "somebody unknown"
    nearest = face["candidates"][0]
    name, distance = nearest["person"]["name"], nearest["distance"]
    if distance <= threshold:
        return f"{name}, distance {distance:.3f}: an alert"
    return f"perhaps {name}, distance {distance:.3f}: over {threshold:g}, so no alert"


def _tell(stage: Stage, photo: dict[str, Any]) -> None:
    """Show the alerts of the photo, and the e-mail of the surest."""
    with _step(stage, "raised the alerts, and mailed them"):
        deadline = time.monotonic() + MAIL_SECONDS
        while (found := _told(stage, photo)) is None:
            if time.monotonic() > deadline:
                raise RuntimeError("No e-mail came of the alert; look at what the workers say.")
            time.sleep(LOOK_SECONDS)
    alerts, (file, mail) = found
    for alert in alerts:
        who, distance = alert["person"]["name"], alert["distance"]
        _say(stage, f"         {who}, distance {distance:.3f}, {alert['status']}")
    body = mail.get_body(("plain",))
    text = body.get_content() if body else ""
    _say(stage, "")
    _say(stage, f"  To:      {mail['To']}")
    _say(stage, f"  Subject: {mail['Subject']}")
    for line in text.splitlines()[:MAIL_LINES]:
        _say(stage, f"  | {line}")
    _say(stage, f"  ({file})")


def _told(
    stage: Stage, photo: dict[str, Any]
) -> tuple[list[Any], tuple[Path, EmailMessage]] | None:
    """Return the alerts of a photo, the surest first, and the e-mail of that one; None if it is still to come."""
    page = stage.client.get("/api/v1/alerts/")
    alerts = [alert for alert in page["results"] if alert["photo"]["id"] == photo["id"]]
    alerts.sort(key=lambda alert: alert["distance"])
    mail = find_mail(stage.mail_dir, alert=alerts[0]["id"]) if alerts else None
    return (alerts, mail) if mail else None


@contextmanager
def _step(stage: Stage, what: str) -> Iterator[None]:
    """Say what was done, and how long it took."""
    start = time.monotonic()
    yield
    _say(stage, f"{time.monotonic() - start:6.2f} s  {what}")


def _say(stage: Stage, line: str) -> None:
    stage.console.print(line, markup=False, highlight=False, soft_wrap=True)
