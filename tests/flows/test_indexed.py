"""An installation whose known faces are in an index of PostgreSQL recognises people as any other."""

from pathlib import Path

import pytest

from demo import photos as demo_photos
from tests.databases import only_pgvector
from tests.installation import Installation

pytestmark = [
    pytest.mark.usefixtures("photos_folder"),
    only_pgvector,
]


def test_who_is_enrolled_is_found_on_the_next_photo_and_the_audit_passes(tmp_path: Path) -> None:
    site = Installation(tmp_path / "data", FACEWATCH_GALLERY="pgvector")
    site.start()
    try:
        token = site.token("olga", "manager")
        seen = site.upload(
            "/api/v1/photos/", demo_photos.path("obama-2010.jpg").read_bytes(), token=token
        )
        assert site.finished(seen.json(), token=token)["faces"][0]["candidates"] == []
        person = site.post("/api/v1/people/", token=token, name="Barack Obama").json()["id"]
        for name in ("obama-2009.jpg", "obama-2012.jpg"):
            photo = demo_photos.path(name).read_bytes()
            enrolment = site.upload(f"/api/v1/people/{person}/photos/", photo, token=token)
            site.finished(enrolment.json(), token=token)
        again = site.upload(
            "/api/v1/photos/", demo_photos.path("obama-2010.jpg").read_bytes() + b"\1", token=token
        )
        (face,) = site.finished(again.json(), token=token)["faces"]
        assert face["candidates"][0]["person"]["id"] == person
        assert "passed" in site.manage("audit-gallery", "--probes", "4").stdout
    finally:
        site.stop()
