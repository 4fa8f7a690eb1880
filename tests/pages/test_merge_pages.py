"""The pages on which two people become one, and two again."""

from typing import Any

import pytest
from django.test import Client

from recognition.models import Merge
from tests import make
from tests.pages.visiting import page_of

URL = "/people/"


class TestMerging:
    def test_offers_similar_names_and_searches(self, client: Client, manager: object) -> None:
        ada = make.person("Ada Lovelace")
        similar, other = make.person("Ada L."), make.person("Bo")
        html = client.get(f"{page_of(ada)}merge/").content.decode()
        assert f"?with={similar.pk}" in html
        assert str(other.pk) not in html
        html = client.get(f"{page_of(ada)}merge/?search=bo").content.decode()
        assert f"?with={other.pk}" in html

    def test_compares_the_two_and_lets_the_better_known_stay(
        self, client: Client, manager: object
    ) -> None:
        ada, bo = make.person(), make.person("Bo")
        known = make.known_face(bo)
        answer = client.get(f"{page_of(ada)}merge/?with={bo.pk}")
        assert answer.context["stays"] == bo
        assert f"/api/v1/faces/{known.face_id}/chip/" in answer.content.decode()

    def test_makes_one_of_two_and_two_of_one(self, client: Client, manager: Any) -> None:
        ada, bo = make.person(), make.person("Bo")
        make.known_face(ada)
        sent = {"with": str(bo.pk), "stays": str(bo.pk)}
        answer = client.post(f"{page_of(ada)}merge/", sent, follow=True)
        done = Merge.objects.get()
        assert (done.person, done.into, done.merged_by) == (ada, bo, manager)
        html = answer.content.decode()
        assert "Ada Example and Bo are one person now." in html
        undo = f"/people/merges/{done.pk}/undo/"
        assert html.count(undo) == 2
        assert undo in client.get(page_of(ada)).content.decode()
        assert b"are two people again" in client.post(undo, follow=True).content
        assert ada.known_faces.count() == 1
        assert b"undone already" in client.post(undo, follow=True).content

    @pytest.mark.parametrize("sent", [{}, {"with": "x"}, {"stays": "x"}])
    def test_asks_again_unless_told_who_stays(
        self, client: Client, manager: object, sent: dict[str, str]
    ) -> None:
        ada, bo = make.person(), make.person("Bo")
        answer = client.post(f"{page_of(ada)}merge/", {"with": str(bo.pk), **sent}, follow=True)
        assert b"Choose who stays." in answer.content
        assert not Merge.objects.exists()

    def test_a_merged_person_leads_to_the_other(self, client: Client, manager: object) -> None:
        ada = make.person()
        merged = make.person("A. E.", merged_into=ada)
        assert page_of(ada) in client.get(page_of(merged)).content.decode()
        for path in ("edit/", "merge/", "delete/"):
            assert client.get(page_of(merged) + path).headers["Location"] == page_of(merged)
        assert str(merged.pk) not in client.get(URL).content.decode()
