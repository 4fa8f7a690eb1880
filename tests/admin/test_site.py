import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken

from ledger.models import Worker
from tests import make


@pytest.fixture
def root(db: None, client: Client) -> Any:
    """A superuser, signed in."""
    user = make.user("root", is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def test_the_apps_stand_in_the_order_of_the_work(client: Client, root: Any) -> None:
    page = client.get("/admin/")
    names = [
        (app["app_label"], [model["object_name"] for model in app["models"]])
        for app in page.context["app_list"]
    ]
    assert names == [
        ("recognition", ["Person", "Photo", "KnownFace", "GalleryAudit"]),
        ("alerts", ["Alert", "WatchList", "Subscription", "Delivery", "Digest"]),
        ("ledger", ["Worker"]),
        ("auth", ["User", "Group"]),
        ("knox", ["AuthToken"]),
    ]


def test_no_page_needs_an_inline_script_or_style(client: Client, root: Any) -> None:
    person = make.person()
    known = make.known_face(person)
    alert = make.alert(watchlist=make.watchlist(), person=person)
    addresses = [
        "/admin/",
        "/admin/recognition/person/",
        "/admin/recognition/person/add/",
        f"/admin/recognition/person/{person.pk}/change/",
        f"/admin/recognition/person/{person.pk}/delete/",
        "/admin/recognition/photo/",
        "/admin/recognition/photo/add/",
        f"/admin/recognition/photo/{alert.photo_id}/change/",
        f"/admin/recognition/knownface/{known.pk}/change/",
        "/admin/alerts/alert/",
        f"/admin/alerts/alert/{alert.pk}/change/",
        f"/admin/alerts/watchlist/{alert.watchlist_id}/change/",
    ]
    for address in addresses:
        response = client.get(address)
        page = response.content.decode()
        assert response.status_code == 200, address
        assert "'unsafe-inline'" not in response["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"", page), address
        assert not re.search(r"<script(?![^>]*\s(src|type=\"application/json\"))[^>]*>", page), (
            address
        )


def test_tokens_are_shown_without_their_digests(client: Client, root: Any) -> None:
    token, text = AuthToken.objects.create(root)
    page = client.get("/admin/knox/authtoken/").content.decode()
    assert token.token_key in page
    assert text not in page
    shown = re.sub(r"<[^>]+>", "", page)
    assert token.digest[:16] not in shown


def test_tokens_can_be_taken_away_and_not_made(client: Client, root: Any) -> None:
    token, _ = AuthToken.objects.create(root)
    address = "/admin/knox/authtoken/"
    assert client.get(f"{address}add/").status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [token.pk]}
    asked = client.post(address, chosen).content.decode()
    assert token.digest not in re.sub(r"<[^>]+>", "", asked)
    client.post(address, chosen | {"post": "yes"})
    assert not AuthToken.objects.exists()
    assert token.digest[:16] not in re.sub(r"<[^>]+>", "", client.get("/admin/").content.decode())


def test_workers_are_shown_alive_or_gone_and_never_written(client: Client, operator: Any) -> None:
    now = timezone.now()
    Worker.objects.create(name="here-1", engine="dlib", started_at=now, seen_at=now)
    gone = Worker.objects.create(
        name="gone-1", engine="dlib", started_at=now, seen_at=now - timedelta(minutes=5)
    )
    page = client.get("/admin/ledger/worker/").content.decode()
    assert page.index("here-1") < page.index("gone-1")
    assert page.count("icon-yes") == page.count("icon-no") == 1
    address = f"/admin/ledger/worker/{gone.pk}"
    assert client.post(f"{address}/change/", {}).status_code == 403
    assert client.post(f"{address}/delete/", {"post": "yes"}).status_code == 403


def test_who_is_not_of_the_staff_is_asked_to_sign_in(client: Client, db: None) -> None:
    client.force_login(make.user("ulla", role="manager"))
    person = make.person()
    for address in ("", "recognition/person/", f"recognition/person/{person.pk}/enrolments/"):
        assert client.get(f"/admin/{address}").status_code == 302


def test_colours_come_from_the_tokens_of_the_pages(client: Client, root: Any) -> None:
    page = client.get("/admin/").content.decode()
    assert page.index("responsive.css") < page.index("tokens.css") < page.index("admin.css")
    assert "Back to the pages" in page
    folder = Path("static")
    tokens = (folder / "facewatch/tokens.css").read_text()
    admin = (folder / "admin-facewatch/admin.css").read_text()
    (accent,) = re.findall(r"  --accent: .+;", tokens)
    assert accent in admin
    own = re.findall(r"#[0-9a-f]{3,8}\b", (folder / "admin-facewatch/pictures.css").read_text())
    assert [colour for colour in own if colour.strip("#").isalnum() and len(colour) in {4, 7}] == []
