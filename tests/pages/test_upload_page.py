"""The upload page as Django answers it: files sent without scripts, and one's own latest uploads."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks, Settings

from demo import photos as demo_photos
from ledger import queues
from recognition.models import Photo
from tests import make
from tests.pages.visiting import shown


def demo_file(name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, demo_photos.path(name).read_bytes())


@pytest.mark.usefixtures("photos_folder")
class TestUploadWithoutScripts:
    def test_files_are_stored_and_their_workers_woken(
        self,
        client: Client,
        uploader: Any,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        queues.huey.flush()
        files = [demo_file("obama-2005.jpg"), demo_file("coffee.png")]
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post("/upload/", {"image": files}, follow=True)
        assert Photo.objects.filter(owner=uploader, stage="uploaded").count() == 2
        assert queues.length() == 2
        assert b"2 photos are stored and will be looked at." in answer.content
        queues.huey.flush()

    def test_the_same_file_again_is_told_and_not_stored(
        self, client: Client, uploader: object
    ) -> None:
        client.post("/upload/", {"image": demo_file("coffee.png")})
        answer = client.post("/upload/", {"image": demo_file("coffee.png")}, follow=True)
        assert b"Stored before, and not doubled: coffee.png." in answer.content
        assert Photo.objects.count() == 1

    def test_a_refused_file_is_named_with_its_reason_and_the_others_are_kept(
        self, client: Client, uploader: object
    ) -> None:
        text = SimpleUploadedFile("notes.jpg", b"Dear diary")
        files = [text, demo_file("coffee.png")]
        answer = client.post("/upload/", {"image": files}, follow=True)
        (told,) = re.findall(
            rb'class="message error"[^>]*>Not stored: notes.jpg: ([^<]+)<', answer.content
        )
        assert b"Save it as a JPEG, PNG or WebP picture" in told
        assert Photo.objects.count() == 1

    def test_a_full_backlog_is_told_with_the_time_to_wait(
        self, client: Client, uploader: object, settings: Settings
    ) -> None:
        settings.MAX_BACKLOG = 0
        answer = client.post("/upload/", {"image": demo_file("coffee.png")}, follow=True)
        assert re.search(
            rb"coffee.png: 0 photos wait already, 0 may. Send it again in about \d+ seconds",
            answer.content,
        )
        assert not Photo.objects.exists()

    def test_no_file_is_told(self, client: Client, uploader: object) -> None:
        assert b"Choose a photo first." in client.post("/upload/", follow=True).content


def test_who_may_not_upload_is_refused_and_not_led_there(client: Client, db: None) -> None:
    client.force_login(make.user("nemo"))
    assert client.get("/upload/").status_code == 403
    assert b"/upload/" not in client.get("/photos/").content


def test_the_upload_page_shows_ones_own_latest_uploads(client: Client, uploader: object) -> None:
    make.photo()
    mine = make.photo(owner=uploader, stage="uploaded")
    assert shown(client, "/upload/") == [mine]


def test_the_upload_page_costs_the_same_for_many_photos(
    client: Client, uploader: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        face = make.face(photo=make.photo(owner=uploader))
        make.sighting(person=make.person(), face=face)
    # Session, user, 2 × permissions; pauses; photos, faces, sightings.
    with django_assert_num_queries(8):
        client.get("/upload/")
