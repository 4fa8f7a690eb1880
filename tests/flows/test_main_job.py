"""From an upload over HTTP to an alert and an e-mail, with real processes."""

import time
from email import message_from_bytes, policy
from typing import Any

import pytest

from demo import photos as demo_photos
from tests.installation import Installation
from tests.pictures import side_by_side

pytestmark = pytest.mark.usefixtures("photos_folder")


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    return installation.token("flow", "manager")


@pytest.fixture(scope="module")
def obama(installation: Installation, token: str) -> dict[str, Any]:
    """A person known by two photos."""
    person: dict[str, Any] = installation.post(
        "/api/v1/people/", token=token, name="Barack Obama"
    ).json()
    for name in ("obama-2005.jpg", "obama-2009.jpg"):
        answer = installation.upload(
            f"/api/v1/people/{person['id']}/photos/",
            demo_photos.path(name).read_bytes(),
            token=token,
        )
        assert answer.status == 202
        assert installation.finished(answer.json(), token=token)["stage"] == "done"
    return person


def uploaded(installation: Installation, name: str, *, token: str) -> dict[str, Any]:
    answer = installation.upload(
        "/api/v1/photos/", demo_photos.path(name).read_bytes(), token=token
    )
    assert answer.status == 202, answer.body
    assert answer.headers["Location"].endswith(f"/api/v1/photos/{answer.json()['id']}/")
    assert int(answer.headers["Retry-After"]) >= 1
    return installation.finished(answer.json(), token=token)


def test_a_photo_of_a_watched_person_becomes_an_alert_and_one_mail(
    installation: Installation, token: str, obama: dict[str, Any]
) -> None:
    watchlist = installation.post(
        "/api/v1/watchlists/", token=token, name="Lobby", people=[obama["id"]], cooldown_seconds=0
    ).json()
    subscription = installation.post(
        "/api/v1/subscriptions/",
        token=token,
        watchlist=watchlist["id"],
        mode="instant",
        channel="email",
        target="security@example.org",
    )
    assert subscription.status == 201, subscription.body
    photo = uploaded(installation, "obama-2012.jpg", token=token)
    (face,) = photo["faces"]
    assert face["candidates"][0]["person"] == {"id": obama["id"], "name": "Barack Obama"}
    installation.alert_of(obama["id"], token=token)
    alerts = installation.get("/api/v1/alerts/", token=token).json()["results"]
    assert [alert["status"] for alert in alerts] == ["open"]
    deadline = time.monotonic() + 30
    while not installation.mails() and time.monotonic() < deadline:
        time.sleep(0.1)
    (mail,) = [message_from_bytes(data, policy=policy.default) for data in installation.mails()]
    assert mail["To"] == "security@example.org"
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert "Barack Obama" in text
    assert f"{installation.url}/alerts/{alerts[0]['id']}/" in text
    # The same bytes again raise and send nothing.
    again = installation.upload(
        "/api/v1/photos/", demo_photos.path("obama-2012.jpg").read_bytes(), token=token
    )
    assert (again.status, again.json()["id"]) == (200, photo["id"])
    assert len(installation.get("/api/v1/alerts/", token=token).json()["results"]) == 1

    alert = installation.get(f"/api/v1/alerts/{alerts[0]['id']}/", token=token)
    confirmed = installation.request(
        "PATCH",
        f"/api/v1/alerts/{alerts[0]['id']}/",
        token=token,
        body=b'{"status": "confirmed"}',
        headers={"If-Match": alert.headers["ETag"], "Content-Type": "application/json"},
    )
    assert confirmed.json()["status"] == "confirmed"


def test_a_stranger_is_done_without_candidates(
    installation: Installation, token: str, obama: dict[str, Any]
) -> None:
    photo = uploaded(installation, "macron-2025.jpg", token=token)
    assert [face["candidates"] for face in photo["faces"]] == [[]]


def test_a_search_is_answered_at_once(
    installation: Installation, token: str, obama: dict[str, Any]
) -> None:
    image = demo_photos.path("obama-2010.jpg").read_bytes()
    answer = installation.upload("/api/v1/search/", image, token=token)
    assert answer.status == 200, answer.body
    (face,) = answer.json()["faces"]
    assert face["candidates"][0]["person"]["name"] == "Barack Obama"


def test_the_queue_shows_the_worker(installation: Installation, token: str) -> None:
    queue = installation.get("/api/v1/queue/", token=token).json()
    assert set(queue) == {
        *("stages", "failed", "done_per_minute", "eta_seconds", "workers", "capacity", "paused")
    }
    assert set(queue["stages"]) == {"uploaded", "detected"}
    assert len(queue["workers"]) == 1


def test_an_enrolment_with_two_faces_is_refused_with_the_reason(
    installation: Installation, token: str, obama: dict[str, Any]
) -> None:
    answer = installation.upload(
        f"/api/v1/people/{obama['id']}/photos/",
        side_by_side("sunak.jpg", "hopper.jpg"),
        token=token,
    )
    photo = installation.finished(answer.json(), token=token)
    assert (photo["stage"], photo["error"]["code"]) == ("failed", "many_faces")


def test_ingest_takes_a_folder_and_resumes(
    installation: Installation, token: str, tmp_path: Any
) -> None:
    for name in ("ardern-2018.jpg", "ardern-2022.jpg"):
        (tmp_path / name).write_bytes(demo_photos.path(name).read_bytes())
    (tmp_path / "notes.txt").write_text("not a photo, and not taken")
    (tmp_path / "broken.jpg").write_text("a text that is called a photo")
    first = installation.manage("ingest", str(tmp_path), "--source", "folder", "--wait").stdout
    assert [word for word in ("stored", "unsupported_format", "done") if word not in first] == []
    second = installation.manage("ingest", str(tmp_path)).stdout
    assert "known" in second
    assert "stored  " not in second
    listed = installation.get("/api/v1/photos/?source=folder", token=token).json()["results"]
    assert [photo["stage"] for photo in listed] == ["done", "done"]


def test_enrol_takes_a_folder_per_person_and_tells_what_was_refused(
    installation: Installation, token: str, tmp_path: Any
) -> None:
    folder = tmp_path / "Emmanuel_Macron"
    folder.mkdir()
    for name in ("macron-2014.jpg", "coffee.png"):
        (folder / name).write_bytes(demo_photos.path(name).read_bytes())
    output = installation.manage("enrol", str(tmp_path)).stdout
    assert "no_face" in output
    assert "coffee.png" in output
    again = installation.manage("enrol", str(tmp_path)).stdout
    assert "known" in again
    found = installation.get("/api/v1/people/?search=macron", token=token).json()["results"]
    assert [person["name"] for person in found] == ["Emmanuel Macron"]
