"""A watched person, and what must have become of photos of them in the end, for programs that cause faults."""

import re
import uuid
from collections import Counter
from collections.abc import Collection
from typing import Any

from demo import photos as demo_photos
from tests.installation import Installation
from tests.mailbox import Mailbox

#: Photos of the watched person.
NAMES = ("obama-2012.jpg", "obama-2010.jpg", "obama-2005.jpg")
#: Rows that are still to be worked on or held, by table.
UNFINISHED = {
    "recognition_photo": ("uploaded", "detected"),
    "alerts_delivery": ("pending", "sending"),
    "alerts_digest": ("pending", "sending"),
}
#: What must be there once: rows of each answer are one too many.
DOUBLES = (
    "SELECT photo_id FROM recognition_face GROUP BY photo_id HAVING count(*) > 1",
    "SELECT photo_id FROM recognition_sighting GROUP BY photo_id HAVING count(*) > 1",
    "SELECT photo_id FROM alerts_alert GROUP BY photo_id HAVING count(*) > 1",
    "SELECT alert_id FROM alerts_delivery GROUP BY alert_id HAVING count(*) > 2",
)
UNALERTED = """
    SELECT count(*) FROM recognition_photo
    WHERE purpose = 'upload' AND stage = 'done' AND id NOT IN (SELECT photo_id FROM alerts_alert)
"""
#: Findings that must be zero.
NEVER = (
    "lost",
    "done without its alert",
    "faces, sightings, alerts or deliveries doubled",
    "mailed twice",
    "still held or waiting",
    "processes left",
)


def open_for(site: Installation, *, modes: Collection[str]) -> None:
    """Watch one person, of whom somebody hears by mail in each of these modes; workers must be there."""
    token = site.token("manager", "manager")
    person = site.post("/api/v1/people/", token=token, name="Barack Obama").json()
    enrolment = site.upload(
        f"/api/v1/people/{person['id']}/photos/",
        demo_photos.path("obama-2009.jpg").read_bytes(),
        token=token,
    )
    assert site.finished(enrolment.json(), token=token)["stage"] == "done"
    watchlist = site.post(
        "/api/v1/watchlists/", token=token, name="Lobby", people=[person["id"]], cooldown_seconds=0
    ).json()
    for mode in modes:
        answer = site.post(
            "/api/v1/subscriptions/",
            token=token,
            watchlist=watchlist["id"],
            mode=mode,
            channel="email",
            target=f"{mode}@example.org",
        )
        assert answer.status == 201, answer.body


def count(site: Installation, sql: str) -> int:
    """Return the one number that a query gives."""
    return int(site.query(sql)[0][0])


def unfinished(site: Installation) -> int:
    """Return how many rows are still to be worked on, held, or not published."""
    unheard = "purpose = 'upload' AND stage = 'done' AND published_at IS NULL"
    return count(site, f"SELECT count(*) FROM recognition_photo WHERE {unheard}") + sum(  # noqa: S608 (names from above)
        count(
            site,
            f"SELECT count(*) FROM {table} WHERE lease_until IS NOT NULL OR stage IN {stages}",  # noqa: S608
        )
        for table, stages in UNFINISHED.items()
    )


def findings(site: Installation, *, accepted: Collection[str], mailbox: Mailbox) -> dict[str, int]:
    """Return what became of the photos with these ids, and of all else, by name."""
    photos = {
        # SQLite keeps it as text without dashes.
        str(uuid.UUID(str(pk))): (stage, code)
        for pk, stage, code in site.query(
            "SELECT id, stage, error_code FROM recognition_photo WHERE purpose = 'upload'"
        )
    }
    doubles = sum(len(site.query(sql)) for sql in DOUBLES)
    ends = Counter(
        stage
        for table in ("alerts_delivery", "alerts_digest")
        for (stage,) in site.query(f"SELECT stage FROM {table}")  # noqa: S608 (names from above)
    )
    stages = Counter(photos.get(pk, ("gone", ""))[0] for pk in accepted)
    codes = Counter(code for stage, code in photos.values() if stage == "failed")
    told = Counter(
        (mail["To"], alert)
        for mail in mailbox.mails
        for alert in set(re.findall(r"/alerts/([0-9a-f-]{36})/", _text(mail)))
    )
    return {
        "accepted": len(accepted),
        "done": stages["done"],
        **{f"failed: {code}": number for code, number in sorted(codes.items())},
        "lost": len(accepted) - stages["done"] - stages["failed"],
        "done without its alert": count(site, UNALERTED),
        "faces, sightings, alerts or deliveries doubled": doubles,
        "mails accepted": len(mailbox.mails),
        "of these digests": sum(mail["To"] == "hourly@example.org" for mail in mailbox.mails),
        "mailed twice": sum(number > 1 for number in told.values()),
        "deliveries and digests unknown": ends["unknown"],
        "still held or waiting": unfinished(site),
    }


def _text(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())
