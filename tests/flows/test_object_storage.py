"""An installation whose photos lie in an S3: taken in, recognised, shown and deleted by real processes; an outage."""

from collections.abc import Iterator

import pytest

from demo import photos as demo_photos
from tests.installation import Installation
from tests.patience import wait_until
from tests.s3_server import SECRET_KEY, S3Server

pytestmark = pytest.mark.usefixtures("photos_folder")

URL = "/api/v1/photos/"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(scope="module")
def site(server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One that runs, and leaves no photo in its data folder."""
    url = server.url(prefix="site")
    site = Installation(
        tmp_path_factory.mktemp("site") / "data", STORAGE_URL=url, FACEWATCH_SWEEP_SECONDS="1"
    ).start()
    yield site
    assert site.stop() == 0
    assert not (site.data_dir / "media").exists()
    assert SECRET_KEY not in "\n".join(site.lines)


@pytest.fixture(scope="module")
def token(site: Installation) -> str:
    return site.token("flow", "manager")


def keys(server: S3Server, photo_id: str) -> set[str]:
    return {key.rpartition("/")[2] for key in server.names() if photo_id in key}


def test_a_photo_comes_is_recognised_shown_and_goes(
    site: Installation, server: S3Server, token: str
) -> None:
    person = site.post("/api/v1/people/", token=token, name="Barack Obama").json()
    known = site.upload(
        f"/api/v1/people/{person['id']}/photos/",
        demo_photos.path("obama-2009.jpg").read_bytes(),
        token=token,
    )
    assert site.finished(known.json(), token=token)["stage"] == "done"
    sent = site.upload(URL, demo_photos.path("obama-2012.jpg").read_bytes(), token=token)
    assert sent.status == 202
    photo = site.finished(sent.json(), token=token)
    (face,) = photo["faces"]
    assert face["candidates"][0]["person"]["id"] == person["id"]
    assert keys(server, photo["id"]) == {
        *("original.jpg", "picture.jpg", "thumbnail.jpg"),
        f"{face['id']}.png",
    }
    for path in (f"{URL}{photo['id']}/image/", f"/api/v1/faces/{face['id']}/chip/"):
        shown = site.get(path, token=token)
        assert shown.status == 200
        assert int(shown.headers["Content-Length"]) == len(shown.body) > 1000
        assert "private" in shown.headers["Cache-Control"]
        assert site.get(path).status == 401
    found = site.upload(
        "/api/v1/search/", demo_photos.path("obama-2010.jpg").read_bytes(), token=token
    )
    assert found.json()["faces"][0]["candidates"][0]["person"]["id"] == person["id"]
    assert not any("/searches/" in key for key in server.names())
    assert site.request("DELETE", f"{URL}{photo['id']}/", token=token).status == 204
    assert keys(server, photo["id"]) == set()


def test_an_outage_refuses_what_comes_and_loses_nothing_that_is_there(
    site: Installation, server: S3Server, token: str
) -> None:
    pause = "/api/v1/queue/pauses/photo:uploaded/"
    assert site.send("PUT", pause, token=token, reason="for now").status == 201
    names = ("hopper.jpg", "macron-2025.jpg")
    waiting = [
        site.upload(URL, demo_photos.path(name).read_bytes(), token=token).json() for name in names
    ]
    server.hang()
    assert site.request("DELETE", pause, token=token).status == 204
    late = demo_photos.path("sunak.jpg").read_bytes()
    refused = site.upload(URL, late, token=token)
    assert (refused.status, refused.json()["code"]) == (503, "storage_unavailable")
    assert int(refused.headers["Retry-After"]) >= 5
    assert site.get("/readyz").json()["checks"]["storage"] != "ok"
    # Everything that needs no file goes on.
    assert site.get(URL, token=token).status == 200

    def put_off() -> list[str]:
        return [site.get(f"{URL}{one['id']}/", token=token).json()["stage"] for one in waiting]

    wait_until(lambda: "was not done" in "\n".join(site.lines) and set(put_off()) == {"uploaded"})
    server.go_on()
    wait_until(lambda: site.get("/readyz").status == 200)
    # As if the minute were over after which they are tried again.
    site.query("UPDATE recognition_photo SET next_try_at = created_at")
    sent = site.upload(URL, late, token=token)
    assert sent.status == 202
    for photo in (*waiting, sent.json()):
        done = site.finished(photo, token=token, seconds=120)
        assert (done["stage"], done["error"]) == ("done", None)
        assert len(done["faces"]) == 1
    rows = site.query("SELECT attempts FROM recognition_photo")
    assert {attempts for (attempts,) in rows} == {0}
