"""Known faces in the admin: listed, found and removed."""

from typing import Any

import pytest
from django.test import Client

from recognition import people
from recognition.models import KnownFace, Photo, Tombstone
from tests import make
from tests.admin.person_pages import change


def test_removing_a_known_face_asks_and_leaves_a_tombstone(client: Client, manager: Any) -> None:
    person = make.person()
    known = make.known_face(person)
    address = f"/admin/recognition/knownface/{known.pk}/delete/"
    page = client.get(address)
    assert dict(page.context["model_count"]) == {
        "known faces": 1,
        "enrolment photos that they came from": 1,
    }
    response = client.post(address, {"post": "yes"})
    assert response["Location"] == change(person)
    assert Tombstone.objects.get().known_face_id == known.pk
    assert not Photo.objects.exists()


def test_removing_a_known_face_of_an_upload_keeps_the_upload(client: Client, manager: Any) -> None:
    face = make.face()
    known = people.enrol_face(face, person=make.person()).known_face
    address = f"/admin/recognition/knownface/{known.pk}/delete/"
    counts = dict(client.get(address).context["model_count"])
    assert counts["enrolment photos that they came from"] == 0
    client.post(address, {"post": "yes"})
    assert list(Photo.objects.all()) == [face.photo]


def test_known_faces_are_removed_together(client: Client, manager: Any) -> None:
    known = [make.known_face(make.person()) for _ in range(3)]
    client.post(
        "/admin/recognition/knownface/",
        {"action": "delete_selected", "_selected_action": [k.pk for k in known], "post": "yes"},
    )
    assert Tombstone.objects.count() == 3


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_of_known_faces_asks_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        make.known_face(make.person())
    with django_assert_num_queries(7):
        client.get("/admin/recognition/knownface/")


def test_known_faces_are_found_by_quality(client: Client, manager: Any) -> None:
    for name, quality in (("Poor One", 0.6), ("Fine One", 0.9)):
        person = make.person(name)
        face = make.face(photo=make.photo(person=person, purpose="enrolment"), quality=quality)
        KnownFace.objects.create(person=person, face=face, revision=1)
    page = client.get("/admin/recognition/knownface/?quality=enough").content.decode()
    assert "Poor One" in page
    assert "Fine One" not in page
    page = client.get("/admin/recognition/knownface/?quality=good").content.decode()
    assert "Poor One" not in page
