"""Uploads are refused before their body is read, at the limit exactly, and never all of them for one owner's sake."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from ledger.backlog import unfinished
from recognition.models import Photo, Search
from tests import make
from tests.api.conftest import UnreadableBody, picture, problem, token_client, user_of
from tests.databases import IS_SQLITE
from tests.disk import fill

URL, SEARCH = "/api/v1/photos/", "/api/v1/search/"


def send(client: APIClient, *, number: int = 0, url: str = URL) -> Any:
    return client.post(url, {"image": picture(size=(40 + number, 30))})


def send_unreadable(client: APIClient, *, url: str = URL) -> Any:
    """The answer to an upload whose body must not be read."""
    body = UnreadableBody()
    environment: Any = {"wsgi.input": body, "CONTENT_LENGTH": "5000"}
    answer = client.generic(
        "POST", url, content_type="multipart/form-data; boundary=x", **environment
    )
    assert not body.read_from
    return answer


class TestBacklog:
    def test_one_owner_gets_exactly_the_limit(self, uploader: APIClient, settings: Any) -> None:
        settings.MAX_BACKLOG = 12
        statuses = [send(uploader, number=number).status_code for number in range(14)]
        assert statuses == [202] * 12 + [503] * 2
        assert unfinished(Photo).count() == 12

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_do_not_get_past_the_limit(self, settings: Any) -> None:
        settings.MAX_BACKLOG = 9
        client = token_client(make.user(role="uploader"))
        credentials = vars(client)["_credentials"]

        def upload(number: int) -> int:
            own = APIClient()
            own.credentials(**credentials)
            try:
                return int(send(own, number=number).status_code)
            finally:
                connection.close()

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(upload, range(20)))
        accepted = statuses.count(202)
        assert unfinished(Photo).count() == accepted
        assert statuses.count(503) == 20 - accepted
        # On PostgreSQL those that are counted at the same moment do not see each other.
        assert 9 <= accepted <= (9 if IS_SQLITE else 9 + 7)
        problem(send(client), 503, "backlog_full")

    def test_it_opens_again_when_a_tenth_is_done(self, uploader: APIClient, settings: Any) -> None:
        settings.MAX_BACKLOG = 20
        photos = [make.photo(stage="uploaded", owner=user_of(uploader)) for _ in range(20)]
        problem(send(uploader), 503, "backlog_full")
        for photo, status in ((photos[0], 503), (photos[1], 202)):
            Photo.objects.filter(pk=photo.pk).update(stage="done", finished_at=timezone.now())
            assert send(uploader).status_code == status

    def test_an_owner_with_little_waiting_is_taken_in_although_others_fill_it(
        self, uploader: APIClient, manager: APIClient, settings: Any
    ) -> None:
        settings.MAX_BACKLOG, settings.OWNER_SHARE = 20, 10
        for _ in range(20):
            make.photo(stage="uploaded", owner=user_of(uploader))
        problem(send(uploader), 503, "backlog_full")
        enrolment = f"/api/v1/people/{make.person().pk}/photos/"
        answers = [send(manager, number=1), send(manager, url=enrolment), send(manager, number=2)]
        assert [answer.status_code for answer in answers] == [202, 202, 503]

    @pytest.mark.parametrize("signed_in_by", ["token", "session"])
    @pytest.mark.parametrize("fault", ["backlog", "disk"])
    def test_it_is_refused_with_its_body_unread(
        self, db: None, settings: Any, signed_in_by: str, fault: str
    ) -> None:
        user = make.user(role="manager")
        client = token_client(user)
        if signed_in_by == "session":
            client = APIClient(enforce_csrf_checks=True)
            client.force_login(user)
        if fault == "backlog":
            settings.MAX_BACKLOG = 0
        else:
            settings.MIN_FREE_BYTES = 10**18
        for url in (URL, f"/api/v1/people/{make.person().pk}/photos/"):
            answer = send_unreadable(client, url=url)
            problem(answer, 503, f"{fault}_full")
            assert 5 <= int(answer["Retry-After"]) <= 300

    def test_a_search_is_not_refused_for_the_backlog(
        self, operator: APIClient, settings: Any
    ) -> None:
        settings.MAX_BACKLOG = 0
        settings.SEARCH_TIMEOUT = 0.1
        problem(send(operator, url=SEARCH), 504, "no_worker")


class TestDisk:
    @pytest.fixture
    def folder(self, small_disk: Any, settings: Any) -> Path:
        """The data folder, on a disk of 8 MB of which 2 have to stay free."""
        folder: Path = small_disk(megabytes=8)
        (folder / "tmp").mkdir()
        settings.DATA_DIR = folder
        settings.MEDIA_ROOT = folder / "media"
        settings.FILE_UPLOAD_TEMP_DIR = folder / "tmp"
        settings.MIN_FREE_BYTES = 2_000_000
        return folder

    def files(self, folder: Path) -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file() and path != folder / "filler"]

    def test_too_little_room_is_refused_and_more_room_opens_it_again(
        self, folder: Path, operator: APIClient
    ) -> None:
        assert send(operator).status_code == 202
        filler = fill(folder, leaving=1_900_000)
        for url in (URL, SEARCH):
            answer = send_unreadable(operator, url=url)
            problem(answer, 503, "disk_full")
            assert 5 <= int(answer["Retry-After"]) <= 300
        filler.unlink()
        assert send(operator, number=1).status_code == 202

    @pytest.mark.parametrize("most_in_memory", [10**7, 10], ids=["in memory", "temporary file"])
    @pytest.mark.parametrize("url", [URL, SEARCH])
    def test_a_disk_that_fills_up_while_storing_is_a_503_and_nothing_is_left_behind(
        self, folder: Path, operator: APIClient, settings: Any, most_in_memory: int, url: str
    ) -> None:
        settings.MIN_FREE_BYTES = 0
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = most_in_memory
        filler = fill(folder, leaving=50_000)
        image = picture(size=(640, 640), form="PNG")
        image.seek(0, 2)
        # What comes after a PNG's end does no harm, and takes room.
        image.write(bytes(100_000))
        image.seek(0)
        answer = operator.post(url, {"image": image})
        problem(answer, 503, "disk_full")
        assert 5 <= int(answer["Retry-After"]) <= 300
        assert not Photo.objects.exists()
        assert not Search.objects.exists()
        assert self.files(folder) == []
        assert not list(folder.glob("media/photos/*/*"))
        filler.unlink()
        if url == URL:
            assert operator.post(url, {"image": picture()}).status_code == 202

    def test_the_pages_say_it_in_a_line_for_each_file(
        self, folder: Path, db: None, client: Any
    ) -> None:
        client.force_login(make.user(is_superuser=True, is_staff=True))
        fill(folder, leaving=100_000)
        images = [picture(), picture(color="red")]
        page = client.post("/upload/", {"image": images}, follow=True).content.decode()
        for image in images:
            image.seek(0)
        add = "/admin/recognition/photo/add/"
        admin = client.post(add, {"photos": images}, follow=True).content.decode()
        for name in ("teal.jpeg", "red.jpeg"):
            assert f"{name}: The server&#x27;s disk is full. Send it again in about" in page
            assert f"Not stored: {name}: The server&#x27;s disk is full. Send it again in" in admin
        assert not Photo.objects.exists()
