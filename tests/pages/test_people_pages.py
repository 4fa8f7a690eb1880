"""The pages of people as Django answers them: who sees what, what a form does, and how many queries it costs."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from recognition import people
from recognition.models import Person
from tests import make
from tests.pages import test_language
from tests.pages.visiting import page_of

URL = "/people/"
#: The language that marks what it translates.
marking = test_language.marking


def names(client: Client, path: str = URL) -> list[str]:
    """The names in the grid, in their order."""
    return [tile.person.name for tile in client.get(path).context["tiles"]]


class TestGrid:
    def test_shows_the_best_face_the_count_and_the_last_sighting(
        self, client: Client, operator: object
    ) -> None:
        ada = make.person()
        first, best = make.known_face(ada), make.known_face(ada)
        type(first.face).objects.filter(pk=first.face_id).update(quality=0.6)
        old = make.sighting(person=ada, face=make.face())
        new = make.sighting(person=ada, face=make.face(), seen_at=timezone.now())
        make.sighting(person=ada, face=make.face(), rank=2)
        (tile,) = client.get(URL).context["tiles"]
        assert (tile.faces, tile.best_face, tile.seen_on) == (2, best.face_id, new.photo_id)
        html = client.get(URL).content.decode()
        assert f"/api/v1/faces/{best.face_id}/chip/" in html
        assert f'href="/photos/{new.photo_id}/"' in html
        assert str(old.photo_id) not in html

    def test_counts_sightings_of_those_who_were_merged(
        self, client: Client, operator: object
    ) -> None:
        ada, bo = make.person("Ada"), make.person("Bo")
        merged = make.person("A. E.", merged_into=ada)
        now = timezone.now()
        make.sighting(person=bo, face=make.face(), seen_at=now - timedelta(days=1))
        make.sighting(person=ada, face=make.face(), seen_at=now - timedelta(days=2))
        seen = make.sighting(person=merged, face=make.face(), seen_at=now)
        first, second = client.get(f"{URL}?order=seen").context["tiles"]
        assert (first.person, first.seen_on, second.person) == (ada, seen.photo_id, bo)

    def test_is_searched_ordered_and_narrowed(self, client: Client, operator: object) -> None:
        now = timezone.now()
        ada, bo, cy = (make.person(name) for name in ("Ada", "Bo", "Cy"))
        make.known_face(bo)
        make.sighting(person=cy, face=make.face(), seen_at=now)
        make.sighting(person=bo, face=make.face(), seen_at=now - timedelta(days=1))
        assert names(client) == ["Ada", "Bo", "Cy"]
        assert names(client, f"{URL}?order=newest") == ["Cy", "Bo", "Ada"]
        assert names(client, f"{URL}?order=seen") == ["Cy", "Bo", "Ada"]
        assert names(client, f"{URL}?search=A") == ["Ada"]
        assert names(client, f"{URL}?unknown=on&order=seen") == ["Cy", "Ada"]
        assert names(client, f"{URL}?order=nonsense&page=99") == ["Ada", "Bo", "Cy"]
        assert b"Nobody is like that." in client.get(f"{URL}?search=zzz").content
        assert ada.name in client.get(URL).content.decode()

    def test_goes_on_in_pages_that_keep_the_search(self, client: Client, operator: object) -> None:
        Person.objects.bulk_create(Person(name=f"Ada {number:03}") for number in range(61))
        make.person("Bo")
        answer = client.get(f"{URL}?search=ada")
        assert len(answer.context["tiles"]) == 60
        (link,) = re.findall(r'href="([^"]+)" rel="next"', answer.content.decode())
        assert names(client, URL + link.replace("&amp;", "&")) == ["Ada 060"]

    @pytest.mark.parametrize("count", [1, 5])
    def test_costs_the_same_for_many_people(
        self,
        client: Client,
        operator: object,
        django_assert_num_queries: DjangoAssertNumQueries,
        count: int,
    ) -> None:
        for number in range(count):
            person = make.person(f"Person {number}")
            make.known_face(person)
            make.sighting(person=person, face=make.face())
        # Session, user, 2 × permissions; count, people, counts, best faces, 2 × sightings.
        for order in ("name", "seen", "newest"):
            with django_assert_num_queries(10):
                client.get(f"{URL}?order={order}")

    def test_is_for_those_who_may_see_people(self, client: Client, uploader: object) -> None:
        person = make.person()
        assert client.get(URL).status_code == 403
        assert client.get(page_of(person)).status_code == 403
        assert b'href="/people/"' not in client.get("/photos/").content

    def test_shows_no_sighting_on_a_photo_of_somebody_else(
        self, client: Client, uploader: Any
    ) -> None:
        uploader.user_permissions.add(make.permission("view_person"))
        ada = make.person()
        known = make.known_face(ada)
        make.sighting(person=ada, face=make.face())
        mine = make.sighting(
            person=ada,
            face=make.face(photo=make.photo(owner=uploader)),
            seen_at=timezone.now() - timedelta(days=9),
        )
        (tile,) = client.get(URL).context["tiles"]
        assert tile.seen_on == mine.photo_id
        answer = client.get(page_of(ada))
        assert [sighting.pk for sighting in answer.context["sightings"]] == [mine.pk]
        assert f"{known.face_id}/chip/" not in answer.content.decode()


class TestAdding:
    def test_leads_to_the_page_where_photos_are_dropped(
        self, client: Client, manager: object
    ) -> None:
        answer = client.post(f"{URL}add/", {"name": " Ada ", "notes": "A hat"}, follow=True)
        person = Person.objects.get()
        assert (person.name, person.notes) == ("Ada", "A hat")
        assert answer.redirect_chain[-1][0] == page_of(person)
        assert b'id="enrol"' in answer.content

    def test_shows_namesakes_first_and_adds_another_when_asked_again(
        self, client: Client, manager: object
    ) -> None:
        first = make.person("Ada")
        answer = client.post(f"{URL}add/", {"name": "ada", "notes": "Another"})
        assert page_of(first) in answer.content.decode()
        assert b"Another" in answer.content
        assert Person.objects.count() == 1
        client.post(f"{URL}add/", {"name": "ada", "namesake": "yes"})
        assert Person.objects.count() == 2

    @pytest.mark.parametrize("name", ["", "  ", "x" * 201])
    def test_needs_a_name(self, client: Client, manager: object, name: str) -> None:
        answer = client.post(f"{URL}add/", {"name": name, "notes": "Kept"})
        assert b"Kept" in answer.content
        assert not Person.objects.exists()


def test_every_string_is_translated(client: Client, manager: Any, marking: None) -> None:
    ada, lobby = make.person("Ada Example"), make.person("Lobby")
    make.known_face(ada)
    face = make.face(photo=make.photo(source="gate 2"))
    make.sighting(person=ada, face=face)
    people.enrol_face(face, person=ada)
    for stage, code in (("uploaded", ""), ("detected", ""), ("failed", "no_face")):
        make.photo(
            person=ada,
            purpose="enrolment",
            stage=stage,
            error_code=code,
            error_detail=test_language.REASON if code else "",
        )
    people.merge(lobby, into=ada, by=make.user("otto"))
    other, stranger = make.person("Lobby"), make.face()
    addresses = [
        *(URL, f"{URL}?search=no", f"{URL}add/", page_of(ada), page_of(lobby), page_of(other)),
        *(f"{page_of(ada)}{path}" for path in ("edit/", "delete/", "merge/")),
        f"{page_of(ada)}merge/?with={other.pk}",
        *(f"/photos/{one.photo_id}/" for one in (face, stranger)),
        *(f"{URL}faces/{stranger.pk}/?name={name}" for name in ("Lobby", "otto", "")),
    ]
    left = {
        address: [
            words.replace("mia", "")
            for words in test_language.unmarked(client.get(address).content.decode())
            if words != "mia"
        ]
        for address in addresses
    }
    assert {address: words for address, words in left.items() if words} == {}
