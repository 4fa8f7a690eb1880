"""The pages of people as Django answers them: who sees what, what a form does, and how many queries it costs."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from demo import photos as demo_photos
from ledger import queues
from recognition import people, people_browsing
from recognition.models import KnownFace, Merge, Person, Photo
from tests import make
from tests.pages import test_language

URL = "/people/"
#: The language that marks what it translates.
marking = test_language.marking


@pytest.fixture
def manager(db: None, client: Client) -> Any:
    """Someone who manages people, signed in at `client`."""
    user = make.user("mia", role="manager")
    client.force_login(user)
    return user


def page_of(person: Person) -> str:
    return f"{URL}{person.pk}/"


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


class TestPerson:
    def test_shows_each_enrolled_face_with_its_quality_and_origin(
        self, client: Client, manager: object
    ) -> None:
        ada = make.person(notes="Wears a hat.")
        sent = make.known_face(ada)
        people.enrol_face(make.face(quality=0.55), person=ada)
        html = client.get(page_of(ada)).content.decode()
        assert "Wears a hat." in html
        assert "quality 0.80, good" in html
        assert "quality 0.55, usable" in html
        assert "sent to enrol" in html
        assert "from an upload" in html
        assert f'href="/photos/{sent.face.photo_id}/"' in html
        assert "one more from another day" in html

    @pytest.mark.parametrize(
        ("faces", "told"),
        [(0, "Cannot be recognised yet: add"), (1, "Only one face is enrolled"), (3, "")],
    )
    def test_says_what_would_help(
        self, client: Client, manager: object, faces: int, told: str
    ) -> None:
        ada = make.person()
        for _ in range(faces):
            make.known_face(ada)
        section = client.get(page_of(ada)).content.decode().split('id="faces"')[1]
        assert (told in section) if told else ('class="message' not in section)

    def test_says_that_the_engine_knows_nothing_of_a_face(
        self, client: Client, manager: object
    ) -> None:
        ada = make.person()
        known = make.known_face(ada)
        type(known.face.embedding).objects.update(engine="another")
        assert b"engine in use knows nothing" in client.get(page_of(ada)).content

    def test_shows_enrolments_in_work_and_refused_with_the_reason(
        self, client: Client, manager: object
    ) -> None:
        ada = make.person()
        make.photo(person=ada, purpose="enrolment", stage="uploaded")
        refused = make.photo(
            person=make.person("A. E.", merged_into=ada),
            purpose="enrolment",
            stage="failed",
            failed_stage="uploaded",
            error_code="many_faces",
            error_detail="3 faces were found.",
        )
        html = client.get(page_of(ada)).content.decode()
        assert "Waits for a worker" in html
        assert "Refused: more than one face" in html
        assert "3 faces were found." in html
        url = f"{page_of(ada)}photos/{refused.pk}/"
        answer = client.post(f"{url}retry/", follow=True)
        assert b"is tried again" in answer.content
        assert Photo.objects.get(pk=refused.pk).stage == "uploaded"
        assert b"has not failed" in client.post(f"{url}retry/", follow=True).content
        client.post(f"{url}remove/")
        assert not Photo.objects.filter(pk=refused.pk).exists()
        assert client.post(f"{url}remove/").status_code == 404

    def test_follows_what_the_person_is_known_by(self, client: Client, manager: object) -> None:
        ada = make.person()
        html = client.get(page_of(ada)).content.decode()
        assert f'data-live="person:{ada.pk}"' in html
        make.known_face(ada)
        assert re.findall(r'data-version="(\w+)"', html) != re.findall(
            r'data-version="(\w+)"', client.get(page_of(ada)).content.decode()
        )

    def test_follows_the_photos_of_those_who_were_merged(
        self, client: Client, manager: object
    ) -> None:
        ada = make.person()
        merged = make.person("A. E.", merged_into=ada)
        before = client.get(page_of(ada)).context["version"]
        make.photo(person=merged, purpose="enrolment", stage="uploaded")
        part = client.get(page_of(ada), headers={"HX-Request": "true"})
        assert part.context["version"] != before
        html = part.content.decode()
        assert 'id="portrait"' in html
        assert "Waits for a worker" in html
        assert "<html" not in html

    def test_lists_sightings_newest_first_and_goes_on_with_older(
        self, client: Client, operator: object
    ) -> None:
        ada = make.person()
        now = timezone.now()
        # Two at one moment, so that the page ends between them.
        made = [
            make.sighting(
                person=ada, face=make.face(), seen_at=now - timedelta(hours=number // 2)
            ).pk
            for number in range(27)
        ]
        answer = client.get(page_of(ada))
        (link,) = re.findall(r'href="([^"]+)" rel="next"', answer.content.decode())
        shown = [sighting.pk for sighting in answer.context["sightings"]]
        older = client.get(page_of(ada) + link.replace("&amp;", "&")).context["sightings"]
        assert len(shown) == 24
        assert sorted([*shown, *(sighting.pk for sighting in older)]) == sorted(made)
        assert client.get(f"{page_of(ada)}?before=nonsense").context["older"]

    def test_costs_the_same_for_many_faces_and_sightings(
        self, client: Client, manager: object, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        ada = make.person()
        for _ in range(5):
            make.known_face(ada)
            make.sighting(person=ada, face=make.face())
            make.photo(person=ada, purpose="enrolment", stage="failed", error_code="no_face")
            people.merge(make.person("A. E."), into=ada)
        # Session, user, 2 × permissions; person, 3 × version, faces, enrolments; merged, sightings, timeline, merges.
        with django_assert_num_queries(16):
            client.get(page_of(ada))
        with django_assert_num_queries(10):
            client.get(page_of(ada), headers={"HX-Request": "true"})

    def test_an_operator_sees_faces_but_changes_nothing(
        self, client: Client, operator: object
    ) -> None:
        ada = make.person()
        known = make.known_face(ada)
        html = client.get(page_of(ada)).content.decode()
        for path in ("edit/", "merge/", "delete/"):
            assert path not in html
            assert client.get(page_of(ada) + path).status_code == 403
        assert 'id="enrol"' not in html
        refused = [
            f"{URL}add/",
            f"{page_of(ada)}photos/",
            f"{page_of(ada)}faces/{known.face_id}/forget/",
            f"{URL}faces/{known.face_id}/",
            f"{URL}faces/{known.face_id}/undo/",
            f"{URL}merges/{uuid.uuid4()}/undo/",
        ]
        assert [client.post(path).status_code for path in refused] == [403] * len(refused)
        photo = make.photo(person=ada, purpose="enrolment", stage="failed")
        assert client.post(f"{page_of(ada)}photos/{photo.pk}/remove/").status_code == 403

    def test_name_and_notes_are_changed(self, client: Client, manager: object) -> None:
        ada = make.person()
        form = client.get(f"{page_of(ada)}edit/").content.decode()
        assert 'value="Ada Example"' in form
        client.post(f"{page_of(ada)}edit/", {"name": "Ada L.", "notes": "<b>"})
        ada.refresh_from_db()
        assert (ada.name, ada.notes) == ("Ada L.", "<b>")
        assert b"&lt;b&gt;" in client.get(page_of(ada)).content
        assert client.post(f"{page_of(ada)}edit/", {"name": ""}).status_code == 200
        assert client.get(f"{URL}{uuid.uuid4()}/edit/").status_code == 404

    def test_a_face_is_removed_with_its_enrolment_and_an_upload_stays(
        self, client: Client, manager: object
    ) -> None:
        ada = make.person()
        sent = make.known_face(ada)
        said = people.enrol_face(make.face(), person=ada).known_face
        answers = [
            client.post(f"{page_of(ada)}faces/{known.face_id}/forget/", follow=True).content
            for known in (sent, said)
        ]
        assert b"its photo deleted" in answers[0]
        assert b"stays among the photos" in answers[1]
        assert not KnownFace.objects.exists()
        assert list(Photo.objects.all()) == [said.face.photo]

    def test_is_deleted_after_it_was_said_what_goes(self, client: Client, manager: object) -> None:
        ada = make.person()
        make.known_face(ada)
        people.merge(make.person("A. E."), into=ada)
        face = make.face()
        make.sighting(person=ada, face=face)
        people.enrol_face(face, person=ada)
        make.alert(watchlist=make.watchlist(people=(ada,)), person=ada, face=face)
        asked = client.get(f"{page_of(ada)}delete/")
        assert asked.context["counts"]["people"] == 2
        assert asked.context["counts"]["known faces"] == 2
        assert asked.context["counts"]["alerts"] == 1
        assert asked.context["uploads"] == 1
        client.post(f"{page_of(ada)}delete/")
        assert not Person.objects.exists()
        assert list(Photo.objects.all()) == [face.photo]


@pytest.mark.usefixtures("photos_folder")
class TestEnrolmentWithoutScripts:
    def test_stores_each_file_and_tells_of_the_refused(
        self,
        client: Client,
        manager: object,
        django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    ) -> None:
        queues.huey.flush()
        ada = make.person()
        path = demo_photos.path("hopper.jpg")
        files = [
            SimpleUploadedFile("hopper.jpg", path.read_bytes()),
            SimpleUploadedFile("notes.jpg", b"Dear diary"),
        ]
        with django_capture_on_commit_callbacks(execute=True):
            answer = client.post(f"{page_of(ada)}photos/", {"image": files}, follow=True)
        assert Photo.objects.get().person == ada
        assert queues.length() == 1
        assert b"Not stored: notes.jpg" in answer.content
        queues.huey.flush()

    def test_tells_of_no_file_and_of_a_merged_person(self, client: Client, manager: object) -> None:
        ada = make.person()
        merged = make.person("A. E.", merged_into=ada)
        empty = client.post(f"{page_of(ada)}photos/", follow=True).content
        assert b"Choose a photo first." in empty
        late = client.post(f"{page_of(merged)}photos/", follow=True).content
        assert b"merged into another meanwhile" in late


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


class TestTimeline:
    @pytest.fixture
    def bars(self, db: None, manager: Any) -> Any:
        """The timeline of somebody who was seen on these days."""

        def draw(*days: str) -> people_browsing.Timeline:
            ada = make.person()
            for day in days:
                noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)
                make.sighting(person=ada, face=make.face(), seen_at=noon)
            drawn = people_browsing.timeline(people_browsing.sightings_of(manager, ada))
            assert drawn
            return drawn

        return draw

    def test_is_by_day_month_or_year_as_the_span_asks(self, bars: Any) -> None:
        by_day = bars("2030-03-01", "2030-03-03", "2030-03-03")
        assert (by_day.unit, [bar.count for bar in by_day.bars]) == ("day", [1, 2])
        assert (by_day.days, by_day.total, by_day.most.count) == (2, 3, 2)
        by_month = bars("2030-01-31", "2030-02-28", "2031-03-31")
        months = [str(bar.start) for bar in by_month.bars]
        assert (by_month.unit, months) == ("month", ["2030-01-01", "2030-02-01", "2031-03-01"])
        by_year = bars("2020-12-31", "2030-01-01")
        assert (by_year.unit, len(by_year.bars)) == ("year", 2)
        assert by_year.bars[1].x - by_year.bars[0].x == 10 * people_browsing.STEP

    def test_nobody_seen_has_none(self, db: None, manager: Any) -> None:
        found = people_browsing.sightings_of(manager, make.person())
        assert people_browsing.timeline(found) is None


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
