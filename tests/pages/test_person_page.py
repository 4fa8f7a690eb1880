"""The page of one person as Django answers it: what they are known by, where they were seen, and what changes them."""

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
from recognition.models import KnownFace, Person, Photo
from tests import make
from tests.pages.visiting import page_of

URL = "/people/"


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
