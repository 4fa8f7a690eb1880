"""Following photos that were uploaded."""

import threading
import time
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from ledger import queues
from recognition import waiting
from recognition.models import Photo
from tests import make
from tests.api.conftest import picture, problem, token_client, user_of

URL = "/api/v1/photos/"


class TestPhoto:
    def test_shows_faces_with_their_candidates_by_rank(self, operator: APIClient) -> None:
        photo, ada, bob = make.photo(), make.person("Ada"), make.person("Bob")
        face = make.face(photo=photo)
        make.sighting(person=bob, face=face, distance=0.5, rank=2)
        make.sighting(person=ada, face=face, distance=0.25)
        body = operator.get(f"{URL}{photo.pk}/").json()
        assert body["faces"] == [
            {
                "id": str(face.pk),
                "box": {"x": 10, "y": 20, "width": 100, "height": 110},
                "score": 1.0,
                "quality": 0.8,
                "candidates": [
                    {"person": {"id": str(ada.pk), "name": "Ada"}, "distance": 0.25, "rank": 1},
                    {"person": {"id": str(bob.pk), "name": "Bob"}, "distance": 0.5, "rank": 2},
                ],
            }
        ]

    def test_a_merged_candidate_is_shown_once_as_the_person_who_stayed(
        self, operator: APIClient
    ) -> None:
        stays = make.person("Ada")
        gone = make.person("A. Example", merged_into=stays)
        face = make.face()
        make.sighting(person=gone, face=face, distance=0.2)
        make.sighting(person=stays, face=face, distance=0.3, rank=2)
        (shown,) = operator.get(f"{URL}{face.photo_id}/").json()["faces"][0]["candidates"]
        assert (shown["person"]["id"], shown["distance"]) == (str(stays.pk), 0.2)

    def test_an_error_shows_only_once_it_is_final(self, operator: APIClient) -> None:
        error = {"error_code": "no_face", "error_detail": "No face."}
        retried = make.photo(stage="uploaded", **error)
        failed = make.photo(stage="failed", **error)
        assert operator.get(f"{URL}{retried.pk}/").json()["error"] is None
        shown = operator.get(f"{URL}{failed.pk}/").json()["error"]
        assert shown == {"code": "no_face", "detail": "No face."}

    def test_somebody_elses_photo_is_a_404_in_every_call(self, uploader: APIClient) -> None:
        url = f"{URL}{make.photo(stage='failed').pk}/"
        for answer in (
            uploader.get(url),
            uploader.delete(url),
            uploader.post(f"{url}retry/"),
            uploader.get(f"{url}image/"),
        ):
            problem(answer, 404, "not_found")

    def test_one_sees_ones_own(self, uploader: APIClient) -> None:
        photo = make.photo(owner=user_of(uploader))
        assert uploader.get(f"{URL}{photo.pk}/").status_code == 200

    def test_deleting_takes_row_and_files(
        self, uploader: APIClient, django_capture_on_commit_callbacks: Any
    ) -> None:
        url = uploader.post(URL, {"image": picture()})["Location"]
        (photo,) = Photo.objects.all()
        with django_capture_on_commit_callbacks(execute=True):
            assert uploader.delete(url).status_code == 204
        assert not default_storage.exists(str(photo.image.name))
        problem(uploader.get(url), 404, "not_found")

    def test_somebody_elses_photo_is_deleted_with_the_permission_only(
        self, operator: APIClient, manager: APIClient
    ) -> None:
        url = f"{URL}{make.photo().pk}/"
        problem(operator.delete(url), 403, "permission_denied")
        assert manager.delete(url).status_code == 204

    def test_a_failed_photo_goes_back_to_work(
        self, operator: APIClient, django_capture_on_commit_callbacks: Any
    ) -> None:
        photo = make.photo(stage="failed", failed_stage="uploaded", error_code="worker_died")
        with django_capture_on_commit_callbacks(execute=True):
            answer = operator.post(f"{URL}{photo.pk}/retry/")
        assert answer.status_code == 202
        assert (answer.json()["stage"], answer.json()["error"]) == ("uploaded", None)
        assert queues.length() == 1
        problem(operator.post(f"{URL}{photo.pk}/retry/"), 409, "not_failed")


class TestWaiting:
    @pytest.mark.parametrize(
        ("header", "seconds"),
        [
            ("wait=3", 3),
            ("respond-async, WAIT=7", 7),
            ('wait="2"', 2),
            ("wait=99", 20),
            ("wait=0", 0),
            ("", None),
            ("wait=soon", None),
            ("wait=-1", None),
            ("wait=1.5", None),
            ("await=4", None),
        ],
    )
    def test_the_preference_is_read_or_ignored(self, header: str, seconds: int | None) -> None:
        assert waiting.preferred_wait(header) == seconds

    def test_a_final_photo_answers_at_once(self, operator: APIClient) -> None:
        started = time.monotonic()
        answer = operator.get(f"{URL}{make.photo().pk}/", headers={"Prefer": "wait=20"})
        assert time.monotonic() - started < 5
        assert answer["Preference-Applied"] == "wait=20"

    def test_an_unfinished_photo_answers_after_the_time(self, operator: APIClient) -> None:
        photo = make.photo(stage="uploaded")
        started = time.monotonic()
        answer = operator.get(f"{URL}{photo.pk}/", headers={"Prefer": "wait=1"})
        assert 1 <= time.monotonic() - started < 5
        assert (answer.status_code, answer.json()["stage"]) == (200, "uploaded")

    def test_without_the_preference_nobody_waits(self, operator: APIClient) -> None:
        answer = operator.get(f"{URL}{make.photo(stage='uploaded').pk}/")
        assert "Preference-Applied" not in answer

    @pytest.mark.django_db(transaction=True)
    def test_a_photo_that_is_done_meanwhile_answers_then(self) -> None:
        client = token_client(make.user(is_superuser=True))
        photo = make.photo(stage="uploaded")

        def finish() -> None:
            time.sleep(0.5)
            Photo.objects.filter(pk=photo.pk).update(stage="done", finished_at=timezone.now())
            connection.close()

        worker = threading.Thread(target=finish)
        worker.start()
        started = time.monotonic()
        answer = client.get(f"{URL}{photo.pk}/", headers={"Prefer": "wait=15"})
        worker.join()
        assert answer.json()["stage"] == "done"
        assert time.monotonic() - started < 10

    def test_when_too_many_wait_the_next_is_answered_now(self, operator: APIClient) -> None:
        photo = make.photo(stage="uploaded")
        for _ in range(waiting.MOST_WAITING):
            assert waiting._places.acquire(blocking=False)
        try:
            answer = operator.get(f"{URL}{photo.pk}/", headers={"Prefer": "wait=20"})
        finally:
            for _ in range(waiting.MOST_WAITING):
                waiting._places.release()
        assert answer.status_code == 200
        assert "Preference-Applied" not in answer


class TestList:
    def ids(self, client: APIClient, **query: Any) -> list[str]:
        answer = client.get(URL, query)
        assert answer.status_code == 200, answer.content
        return [photo["id"] for photo in answer.json()["results"]]

    def test_shows_uploads_newest_first_and_enrolments_on_request(
        self, operator: APIClient
    ) -> None:
        photos = [make.photo() for _ in range(2)]
        enrolment = make.photo(purpose="enrolment", person=make.person())
        assert self.ids(operator) == [str(photo.pk) for photo in reversed(photos)]
        assert self.ids(operator, purpose="enrolment") == [str(enrolment.pk)]

    def test_shows_an_uploader_their_own(self, uploader: APIClient) -> None:
        own, _ = make.photo(owner=user_of(uploader)), make.photo()
        assert self.ids(uploader) == [str(own.pk)]

    def test_filters(self, operator: APIClient) -> None:
        person = make.person()
        merged = make.person("A. E.", merged_into=person)
        old = make.photo(created_at="2020-01-01T00:00:00Z", stage="failed")
        door = make.photo(source="door")
        seen = make.photo()
        for who, index in ((person, 0), (merged, 1)):
            make.sighting(person=who, face=make.face(photo=seen, index=index))
        assert self.ids(operator, stage="failed") == [str(old.pk)]
        assert self.ids(operator, source="door") == [str(door.pk)]
        assert self.ids(operator, person=str(person.pk)) == [str(seen.pk)]
        assert self.ids(operator, created_before="2021-01-01T00:00:00Z") == [str(old.pk)]
        recent = [str(seen.pk), str(door.pk)]
        assert self.ids(operator, created_after="2021-01-01T00:00:00Z") == recent

    @pytest.mark.parametrize(
        "query", [{"stage": "lost"}, {"person": "me"}, {"created_after": "yesterday"}]
    )
    def test_a_filter_that_makes_no_sense_is_refused(
        self, operator: APIClient, query: dict[str, str]
    ) -> None:
        body = problem(operator.get(URL, query), 400, "validation")
        assert list(body["errors"]) == list(query)

    def test_pages_follow_each_other_while_photos_come_in(self, operator: APIClient) -> None:
        photos = [make.photo() for _ in range(5)]
        page = operator.get(URL, {"page_size": 2}).json()
        make.photo()
        found = [photo["id"] for photo in page["results"]]
        while page["next"]:
            page = operator.get(page["next"]).json()
            found += [photo["id"] for photo in page["results"]]
        assert found == [str(photo.pk) for photo in reversed(photos)]
        assert page["previous"]

    def test_a_page_is_bounded(self, operator: APIClient) -> None:
        Photo.objects.bulk_create(
            Photo(stage="done", sha256=f"{number:064}", bytes=1, width=1, height=1)
            for number in range(205)
        )
        assert len(self.ids(operator, page_size=10_000)) == 200

    @pytest.mark.parametrize("count", [1, 4])
    def test_the_number_of_queries_does_not_grow(
        self, operator: APIClient, django_assert_num_queries: Any, count: int
    ) -> None:
        for number in range(count):
            face = make.face()
            make.face(photo=face.photo, index=1)
            person = make.person(f"Person {number}", merged_into=make.person("Ada"))
            make.sighting(person=person, face=face)
        # Token, its user's other tokens, two of permissions; photos, faces, sightings with people.
        with django_assert_num_queries(7):
            assert len(self.ids(operator)) == count


class TestPixels:
    def test_a_photo_that_no_worker_has_seen_is_not_ready(self, uploader: APIClient) -> None:
        url = uploader.post(URL, {"image": picture()})["Location"]
        answer = uploader.get(f"{url}image/")
        problem(answer, 404, "not_ready")
        assert int(answer["Retry-After"]) >= 1

    @pytest.mark.parametrize("size", ["", "?size=thumbnail"])
    def test_the_picture_is_shown_as_nothing_but_a_picture(
        self, operator: APIClient, size: str
    ) -> None:
        photo = make.photo()
        name = photo.thumbnail_name if size else photo.picture_name
        default_storage.save(name, ContentFile(b"pixels" + size.encode()))
        answer = operator.get(f"{URL}{photo.pk}/image/{size}", headers={"Accept": "image/*"})
        assert answer.getvalue() == b"pixels" + size.encode()
        self.check_headers(answer, content_type="image/jpeg", name=f"{photo.pk}.jpg")

    def test_the_chip_is_shown_to_those_who_may_see_the_photo(
        self, operator: APIClient, uploader: APIClient, client_of: Any
    ) -> None:
        face = make.face(photo=make.photo(owner=user_of(uploader)))
        default_storage.save(face.chip_name, ContentFile(b"chip"))
        url = f"/api/v1/faces/{face.pk}/chip/"
        for client in (operator, uploader):
            answer = client.get(url)
            assert answer.getvalue() == b"chip"
            self.check_headers(answer, content_type="image/png", name=f"{face.pk}.png")
        problem(client_of("uploader", "stranger").get(url), 404, "not_found")
        problem(APIClient().get(url), 401, "not_authenticated")

    def test_an_unknown_face_is_a_404(self, operator: APIClient) -> None:
        problem(operator.get(f"/api/v1/faces/{uuid.uuid4()}/chip/"), 404, "not_found")

    def check_headers(self, answer: Any, *, content_type: str, name: str) -> None:
        assert answer["Content-Type"] == content_type
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cache-Control"] == "private, no-store"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Content-Disposition"] == f'inline; filename="{name}"'


def test_media_are_under_no_public_address(uploader: APIClient) -> None:
    uploader.post(URL, {"image": picture()})
    (photo,) = Photo.objects.all()
    for prefix in ("", "media/", "static/"):
        assert APIClient().get(f"/{prefix}{photo.image.name}").status_code == 404
    assert str(settings.MEDIA_ROOT).startswith(str(settings.DATA_DIR))
