"""Known people: kept, enrolled, merged."""

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from ledger import queues
from recognition.models import GalleryState, KnownFace, Person, Photo
from tests import make
from tests.api.conftest import picture, problem

URL = "/api/v1/people/"


def test_a_person_is_made_read_changed_and_deleted(manager: APIClient) -> None:
    made = manager.post(URL, {"name": "Ada", "notes": "Wears a hat."}, format="json")
    assert made.status_code == 201
    body = made.json()
    assert body == {
        "id": body["id"],
        "name": "Ada",
        "notes": "Wears a hat.",
        "created_at": body["created_at"],
        "faces_count": 0,
        "merged_into": None,
    }
    url = f"{URL}{body['id']}/"
    assert manager.get(url).json() == body
    assert manager.patch(url, {"name": "Ada L."}, format="json").json()["name"] == "Ada L."
    put = manager.put(url, {"name": "Ada"}, format="json").json()
    assert (put["name"], put["notes"]) == ("Ada", "Wears a hat.")
    assert manager.delete(url).status_code == 204
    problem(manager.get(url), 404, "not_found")


@pytest.mark.parametrize("sent", [{}, {"name": ""}, {"name": "x" * 201}, {"name": None}])
def test_a_person_needs_a_name(manager: APIClient, sent: dict[str, Any]) -> None:
    body = problem(manager.post(URL, sent, format="json"), 400, "validation")
    assert list(body["errors"]) == ["name"]


def test_the_list_is_by_name_with_counts_and_without_the_merged(manager: APIClient) -> None:
    bob, ada = make.person("Bob"), make.person("Ada")
    make.person("A. E.", merged_into=ada)
    make.known_face(ada)
    make.known_face(ada)
    shown = [(person["id"], person["faces_count"]) for person in manager.get(URL).json()["results"]]
    assert shown == [(str(ada.pk), 2), (str(bob.pk), 0)]
    (found,) = manager.get(URL, {"search": "bO"}).json()["results"]
    assert found["id"] == str(bob.pk)


def test_people_of_one_name_are_on_one_page_each(manager: APIClient) -> None:
    ids = {str(make.person("Ada").pk) for _ in range(3)}
    page = manager.get(URL, {"page_size": 1}).json()
    found = {page["results"][0]["id"]}
    while page["next"]:
        page = manager.get(page["next"]).json()
        found.add(page["results"][0]["id"])
    assert found == ids


@pytest.mark.parametrize("count", [1, 4])
def test_the_lists_queries_do_not_grow(
    manager: APIClient, django_assert_num_queries: Any, count: int
) -> None:
    person = make.person()
    for number in range(count):
        make.person(f"P{number}")
        make.known_face(person)
    with django_assert_num_queries(5):
        manager.get(URL)
    with django_assert_num_queries(6):
        manager.get(f"{URL}{person.pk}/faces/")


def test_deleting_takes_the_known_faces_out_of_the_gallery(manager: APIClient) -> None:
    person = make.person()
    make.known_face(person)
    before = GalleryState.objects.get().revision
    assert manager.delete(f"{URL}{person.pk}/").status_code == 204
    assert not KnownFace.objects.exists()
    assert not Photo.objects.exists()
    assert GalleryState.objects.get().revision > before


class TestEnrolment:
    def test_answers_202_with_a_photo_to_follow(
        self, manager: APIClient, django_capture_on_commit_callbacks: Any
    ) -> None:
        person = make.person()
        with django_capture_on_commit_callbacks(execute=True):
            answer = manager.post(f"{URL}{person.pk}/photos/", {"image": picture()})
        assert answer.status_code == 202
        assert manager.get(answer["Location"]).json() == answer.json()
        (photo,) = Photo.objects.all()
        assert (photo.person, photo.purpose) == (person, Photo.Purpose.ENROLMENT)
        assert queues.length() == 1

    def test_the_same_bytes_collide_for_one_person_alone(self, manager: APIClient) -> None:
        ada, bob = make.person("Ada"), make.person("Bob")
        answers = [
            manager.post(url, {"image": picture()})
            for url in (
                "/api/v1/photos/",
                f"{URL}{ada.pk}/photos/",
                f"{URL}{bob.pk}/photos/",
                f"{URL}{ada.pk}/photos/",
            )
        ]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 200]
        ids = [answer.json()["id"] for answer in answers]
        assert len(set(ids)) == 3
        assert ids[1] == ids[3]

    def test_a_full_backlog_refuses_it(self, manager: APIClient, settings: Any) -> None:
        settings.MAX_BACKLOG = 0
        url = f"{URL}{make.person().pk}/photos/"
        problem(manager.post(url, {"image": picture()}), 503, "backlog_full")

    def test_bad_pictures_and_unknown_people_are_refused(self, manager: APIClient) -> None:
        url = f"{URL}{make.person().pk}/photos/"
        problem(manager.post(url), 400, "validation")
        problem(manager.post(url, {}, format="json"), 415, "unsupported_media_type")
        unknown = f"{URL}{uuid.uuid4()}/photos/"
        problem(manager.post(unknown, {"image": picture()}), 404, "not_found")


class TestKnownFaces:
    def test_are_listed_newest_first_with_chip_and_photo(self, manager: APIClient) -> None:
        person = make.person()
        older, newer = make.known_face(person), make.known_face(person)
        make.known_face(make.person("Bob"))
        shown = manager.get(f"{URL}{person.pk}/faces/").json()["results"]
        assert [face["id"] for face in shown] == [str(newer.face_id), str(older.face_id)]
        photo = older.face.photo
        assert shown[1] == {
            "id": str(older.face_id),
            "chip_url": f"http://testserver/api/v1/faces/{older.face_id}/chip/",
            "quality": 0.8,
            "photo": {"id": str(photo.pk), "url": f"http://testserver/api/v1/photos/{photo.pk}/"},
            "created_at": shown[1]["created_at"],
        }

    def test_are_forgotten_one_by_one(self, manager: APIClient) -> None:
        person = make.person()
        first, second = make.known_face(person), make.known_face(person)
        url = f"{URL}{person.pk}/faces/{first.face_id}/"
        assert manager.delete(url).status_code == 204
        assert list(KnownFace.objects.all()) == [second]
        problem(manager.delete(url), 404, "not_found")

    def test_of_another_person_are_a_404(self, manager: APIClient) -> None:
        known = make.known_face(make.person("Bob"))
        url = f"{URL}{make.person().pk}/faces/{known.face_id}/"
        problem(manager.delete(url), 404, "not_found")


class TestMerge:
    def merge(self, client: APIClient, person: Person, into: Any) -> Any:
        return client.post(f"{URL}{person.pk}/merge/", {"into": str(into)}, format="json")

    def test_answers_the_one_who_stays_with_all_faces(self, manager: APIClient) -> None:
        goes, stays = make.person("A. E."), make.person("Ada")
        make.known_face(goes)
        body = self.merge(manager, goes, stays.pk).json()
        assert (body["id"], body["faces_count"]) == (str(stays.pk), 1)

    def test_the_merged_can_be_read_and_not_changed(self, manager: APIClient) -> None:
        stays = make.person("Ada")
        merged = make.person("A. E.", merged_into=stays)
        url = f"{URL}{merged.pk}/"
        assert manager.get(url).json()["merged_into"] == str(stays.pk)
        for answer in (
            manager.patch(url, {"name": "B"}, format="json"),
            manager.delete(url),
            manager.post(f"{url}photos/", {"image": picture()}),
            self.merge(manager, merged, stays.pk),
        ):
            assert str(stays.pk) in problem(answer, 409, "merged")["detail"]

    def test_nobody_is_merged_into_themselves_or_the_merged(self, manager: APIClient) -> None:
        ada = make.person("Ada")
        merged = make.person("A. E.", merged_into=ada)
        problem(self.merge(manager, ada, ada.pk), 409, "cannot_merge")
        problem(self.merge(manager, make.person("Bob"), merged.pk), 409, "cannot_merge")

    @pytest.mark.parametrize("into", [uuid.uuid4(), "nobody"])
    def test_the_one_who_stays_must_exist(self, manager: APIClient, into: Any) -> None:
        body = problem(self.merge(manager, make.person(), into), 400, "validation")
        assert list(body["errors"]) == ["into"]


class TestThisIs:
    def enrol(self, client: APIClient, person: Person, face: Any) -> Any:
        return client.post(f"{URL}{person.pk}/faces/", {"face": str(face)}, format="json")

    def test_answers_201_with_the_known_face_and_then_200(self, manager: APIClient) -> None:
        person, face = make.person(), make.face()
        answer = self.enrol(manager, person, face.pk)
        assert answer.status_code == 201
        body = answer.json()
        assert (body["id"], body["photo"]["id"]) == (str(face.pk), str(face.photo_id))
        assert manager.get(f"{URL}{person.pk}/faces/").json()["results"] == [body]
        again = self.enrol(manager, person, face.pk)
        assert (again.status_code, again.json()) == (200, body)

    def test_a_face_of_another_person_is_refused(self, manager: APIClient) -> None:
        face = make.face()
        self.enrol(manager, make.person("Bob"), face.pk)
        body = problem(self.enrol(manager, make.person(), face.pk), 409, "known_as_another")
        assert "Bob" in body["detail"]

    def test_a_face_that_nobody_can_be_known_by_is_refused(self, manager: APIClient) -> None:
        person = make.person()
        poor = make.face(quality=0.2)
        problem(self.enrol(manager, person, poor.pk), 400, "low_quality")
        waiting = make.face(photo=make.photo(stage="detected"))
        problem(self.enrol(manager, person, waiting.pk), 400, "not_recognised")

    @pytest.mark.parametrize("face", [uuid.uuid4(), "none"])
    def test_the_face_must_exist(self, manager: APIClient, face: Any) -> None:
        body = problem(self.enrol(manager, make.person(), face), 400, "validation")
        assert list(body["errors"]) == ["face"]

    def test_a_merged_person_refuses_it(self, manager: APIClient) -> None:
        merged = make.person("A. E.", merged_into=make.person())
        problem(self.enrol(manager, merged, make.face().pk), 409, "merged")

    def test_forgetting_it_keeps_the_upload(self, manager: APIClient) -> None:
        person, face = make.person(), make.face()
        self.enrol(manager, person, face.pk)
        assert manager.delete(f"{URL}{person.pk}/faces/{face.pk}/").status_code == 204
        assert manager.get(f"/api/v1/photos/{face.photo_id}/").status_code == 200


class TestUnmerge:
    def test_answers_the_person_who_stands_for_themselves_again(self, manager: APIClient) -> None:
        goes, stays = make.person("A. E."), make.person("Ada")
        make.known_face(goes)
        manager.post(f"{URL}{goes.pk}/merge/", {"into": str(stays.pk)}, format="json")
        body = manager.post(f"{URL}{goes.pk}/unmerge/").json()
        assert (body["id"], body["merged_into"], body["faces_count"]) == (str(goes.pk), None, 1)

    def test_is_refused_for_who_is_not_merged(self, manager: APIClient) -> None:
        problem(manager.post(f"{URL}{make.person().pk}/unmerge/"), 409, "cannot_unmerge")


@pytest.mark.parametrize("role", ["", "uploader", "operator"])
def test_who_does_not_manage_people_changes_none(client_of: Any, role: str) -> None:
    client, person = client_of(role), make.person()
    known = make.known_face(person)
    url = f"{URL}{person.pk}/"
    for answer in (
        client.post(URL, {"name": "B"}, format="json"),
        client.patch(url, {"name": "B"}, format="json"),
        client.delete(url),
        client.post(f"{url}photos/", {"image": picture()}),
        client.get(f"{url}faces/"),
        client.delete(f"{url}faces/{known.face_id}/"),
        client.post(f"{url}faces/", {"face": str(known.face_id)}, format="json"),
        client.post(f"{url}merge/", {"into": str(person.pk)}, format="json"),
        client.post(f"{url}unmerge/"),
    ):
        problem(answer, 403, "permission_denied")
    status = 200 if role == "operator" else 403
    assert [client.get(URL).status_code, client.get(url).status_code] == [status, status]
