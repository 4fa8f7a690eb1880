"""Uploading photos: what is taken, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from rest_framework.test import APIClient

from ledger import queues
from recognition.models import Photo
from tests import make
from tests.api.conftest import UnreadableBody, picture, problem

URL = "/api/v1/photos/"


class TestUpload:
    def test_answers_202_with_where_to_look_and_wakes_a_worker(
        self, uploader: APIClient, django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            answer = uploader.post(
                URL,
                {"image": picture(), "source": "door", "captured_at": "2030-01-31T13:00:00+01:00"},
            )
        body = answer.json()
        assert answer.status_code == 202
        assert answer["Location"] == body["url"] == f"http://testserver{URL}{body['id']}/"
        assert int(answer["Retry-After"]) >= 1
        assert list(body) == [
            *("id", "url", "stage", "error", "source", "captured_at", "created_at"),
            *("finished_at", "width", "height", "faces"),
        ]
        assert (body["stage"], body["error"], body["faces"]) == ("uploaded", None, [])
        assert (body["width"], body["height"], body["source"]) == (40, 30, "door")
        assert body["captured_at"] == "2030-01-31T12:00:00Z"
        assert queues.length() == 1

    def test_the_same_bytes_again_give_the_first_photo(self, uploader: APIClient) -> None:
        first = uploader.post(URL, {"image": picture()})
        again = uploader.post(URL, {"image": picture(), "source": "elsewhere"})
        assert (first.status_code, again.status_code) == (202, 200)
        assert first.json() == again.json()
        assert again["Location"] == first["Location"]

    def test_the_same_bytes_of_two_owners_are_two_photos(
        self, uploader: APIClient, operator: APIClient
    ) -> None:
        ids = {
            client.post(URL, {"image": picture()}).json()["id"] for client in (uploader, operator)
        }
        assert len(ids) == 2

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"", "unreadable_image"),
            (b"\xff\xd8\xff\xe0 not really", "unreadable_image"),
            (b"just a text", "unsupported_format"),
            (b"GIF89a", "unsupported_format"),
        ],
    )
    def test_what_is_no_photo_is_refused_with_a_code(
        self, uploader: APIClient, content: bytes, code: str
    ) -> None:
        answer = uploader.post(URL, {"image": ContentFile(content, name="face.jpg")})
        problem(answer, 400, code)
        assert not Photo.objects.exists()

    def test_too_many_pixels_are_refused_before_they_are_decoded(
        self, uploader: APIClient, settings: Any
    ) -> None:
        settings.MAX_PIXELS = 1000
        problem(uploader.post(URL, {"image": picture()}), 400, "too_many_pixels")

    def test_without_an_image_the_field_is_named(self, uploader: APIClient) -> None:
        body = problem(uploader.post(URL, {"source": "door"}), 400, "validation")
        assert list(body["errors"]) == ["image"]

    def test_a_time_without_its_offset_is_refused(self, uploader: APIClient) -> None:
        sent = {"image": picture(), "captured_at": "2030-01-31T12:00:00"}
        assert list(problem(uploader.post(URL, sent), 400, "validation")["errors"]) == [
            "captured_at"
        ]

    def test_json_is_refused(self, uploader: APIClient) -> None:
        answer = uploader.post(URL, {"image": "aGk="}, format="json")
        problem(answer, 415, "unsupported_media_type")

    def test_a_full_backlog_answers_503_with_the_time_to_wait(
        self, uploader: APIClient, settings: Any
    ) -> None:
        settings.MAX_BACKLOG = 1
        make.photo(stage="uploaded")
        answer = uploader.post(URL, {"image": picture()})
        problem(answer, 503, "backlog_full")
        assert 5 <= int(answer["Retry-After"]) <= 300

    @pytest.mark.parametrize("fault", ["backlog", "length"])
    def test_a_refusal_leaves_the_body_unread(
        self, uploader: APIClient, settings: Any, fault: str
    ) -> None:
        settings.MAX_BACKLOG = 0 if fault == "backlog" else 10
        settings.MAX_UPLOAD_BYTES = 1 if fault == "length" else 10**6
        body = UnreadableBody()
        length = "5000" if fault == "backlog" else "500000"
        environment: Any = {"wsgi.input": body, "CONTENT_LENGTH": length}
        answer = uploader.generic(
            "POST", URL, content_type="multipart/form-data; boundary=x", **environment
        )
        assert answer.status_code in {413, 503}
        assert not body.read_from

    def test_a_file_is_counted_while_it_arrives_and_leaves_nothing_behind(
        self, uploader: APIClient, settings: Any, tmp_path: Path
    ) -> None:
        settings.FILE_UPLOAD_TEMP_DIR = tmp_path
        settings.MAX_UPLOAD_BYTES = 3_000_000
        file = ContentFile(b"\xff\xd8\xff" + bytes(3_000_000), name="large.jpg")
        problem(uploader.post(URL, {"image": file}), 413, "too_large")
        assert not list(tmp_path.iterdir())
        assert not Photo.objects.exists()

    def test_the_temporary_file_of_a_large_upload_goes(
        self, uploader: APIClient, settings: Any, tmp_path: Path
    ) -> None:
        settings.FILE_UPLOAD_TEMP_DIR = tmp_path
        settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
        assert uploader.post(URL, {"image": picture()}).status_code == 202
        assert not list(tmp_path.iterdir())

    def test_who_may_not_upload_gets_403(self, client_of: Any) -> None:
        problem(client_of("").post(URL, {"image": picture()}), 403, "permission_denied")

    def test_a_session_needs_the_csrf_token(self, db: None) -> None:
        user = make.user(role="uploader")
        client = APIClient(enforce_csrf_checks=True)
        client.force_login(user)
        problem(client.post(URL, {"image": picture()}), 403, "permission_denied")
        client.cookies["csrftoken"] = token = "a" * 32
        answer = client.post(URL, {"image": picture()}, headers={"X-CSRFToken": token})
        assert answer.status_code == 202
