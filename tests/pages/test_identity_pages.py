"""Saying on a photo who it is, as Django answers it."""

from typing import Any

import pytest
from django.test import Client

from recognition import people
from recognition.models import KnownFace, Person, Photo
from tests import make

URL = "/people/"


class TestThisIs:
    def path(self, face: Any) -> str:
        return f"{URL}faces/{face.pk}/"

    def test_the_photo_page_offers_the_candidates_first(
        self, client: Client, manager: object
    ) -> None:
        face, ada = make.face(), make.person()
        make.sighting(person=ada, face=face)
        html = client.get(f"/photos/{face.photo_id}/").content.decode()
        assert f'name="person" value="{ada.pk}"' in html

    def test_it_is_offered_for_good_faces_of_recognised_uploads_alone(
        self, client: Client, manager: object
    ) -> None:
        poor = make.face(quality=0.4)
        waiting = make.face(photo=make.photo(stage="detected"))
        enrolment = make.known_face(make.person()).face
        for face in (poor, waiting, enrolment):
            html = client.get(f"/photos/{face.photo_id}/").content.decode()
            assert 'class="this-is"' not in html
        assert b"Not good enough" in client.get(f"/photos/{poor.photo_id}/").content

    def test_a_name_that_is_too_long_is_refused_with_the_reason(
        self, client: Client, manager: object
    ) -> None:
        face = make.face()
        answer = client.post(self.path(face), {"new": "A" * 201}, follow=True)
        assert b"at most 200 characters" in answer.content
        assert not Person.objects.exists()

    def test_a_chosen_person_is_known_by_the_face_and_it_can_be_undone(
        self, client: Client, manager: object
    ) -> None:
        face, ada = make.face(), make.person()
        answer = client.post(self.path(face), {"person": str(ada.pk)}, follow=True)
        assert answer.redirect_chain[-1][0] == f"/photos/{face.photo_id}/"
        html = answer.content.decode()
        assert "Ada Example is known by this face from now on." in html
        assert f'action="{self.path(face)}undo/"' in html
        client.post(f"{self.path(face)}undo/")
        assert not KnownFace.objects.exists()
        assert Photo.objects.filter(pk=face.photo_id).exists()

    def test_htmx_gets_the_part_beside_the_face_alone(
        self, client: Client, manager: object
    ) -> None:
        face, ada = make.face(), make.person()
        answer = client.post(
            self.path(face), {"person": str(ada.pk)}, headers={"HX-Request": "true"}
        )
        html = answer.content.decode()
        assert "<html" not in html
        assert f'id="actions-{face.pk}"' in html
        assert "is known by this face" in html

    def test_a_name_is_looked_up_and_a_new_one_is_asked_about(
        self, client: Client, manager: object
    ) -> None:
        face, ada = make.face(), make.person()
        found = client.get(f"{self.path(face)}?name=ada").content.decode()
        assert f'name="person" value="{ada.pk}"' in found
        assert "Nobody is called “ada”." in found
        new = client.get(f"{self.path(face)}?name=Bo", headers={"HX-Request": "true"})
        assert 'name="new" value="Bo"' in new.content.decode()
        assert Person.objects.count() == 1
        client.post(self.path(face), {"new": "Bo"})
        assert KnownFace.objects.get().person.name == "Bo"

    def test_a_new_person_needs_the_right_to_add_one(self, client: Client, uploader: Any) -> None:
        uploader.user_permissions.add(
            make.permission("add_knownface"), make.permission("view_person")
        )
        face = make.face(photo=make.photo(owner=uploader))
        assert b'name="new"' not in client.get(f"{self.path(face)}?name=Bo").content
        assert client.post(self.path(face), {"new": "Bo"}).status_code == 403
        # A face that they may not see.
        assert client.get(self.path(make.face())).status_code == 404

    @pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {}])
    def test_a_refusal_says_why(
        self, client: Client, manager: object, headers: dict[str, str]
    ) -> None:
        face = make.face()
        people.enrol_face(face, person=make.person())
        sent = {"new": "Bo"}
        answer = client.post(self.path(face), sent, headers=headers, follow=True)
        assert b"is known as Ada Example already" in answer.content
        assert not Person.objects.filter(name="Bo").exists()
        nobody = client.post(self.path(face), headers=headers, follow=True)
        assert b"Choose who it is." in nobody.content

    def test_an_enrolment_is_not_undone_here(self, client: Client, manager: object) -> None:
        known = make.known_face(make.person())
        assert client.post(f"{self.path(known.face)}undo/").status_code == 404
        assert KnownFace.objects.exists()
