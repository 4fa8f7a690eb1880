"""The pages of photos as Django answers them: who sees which, in what order, and how many queries it costs."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models import QuerySet
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from recognition import keyset
from recognition.models import KnownFace, Photo
from tests import make
from tests.pages.visiting import shown

RECENT = "/photos/"


def test_an_uploader_lists_their_own_uploads_only(client: Client, uploader: object) -> None:
    make.photo()
    mine = make.photo(owner=uploader)
    make.photo(owner=uploader, purpose="enrolment", person=make.person())
    assert shown(client, RECENT) == [mine]


def test_an_operator_lists_everybodys_uploads_newest_first(
    client: Client, operator: object
) -> None:
    first, second = make.photo(), make.photo()
    assert shown(client, RECENT) == [second, first]


def test_photos_are_filtered_by_stage_source_and_person(client: Client, operator: object) -> None:
    failed = make.photo(stage="failed")
    gate = make.photo(source="gate 2")
    face = make.face()
    into = make.person("Ada Example")
    make.sighting(person=make.person("A. E.", merged_into=into), face=face)
    assert shown(client, f"{RECENT}?stage=failed") == [failed]
    assert shown(client, f"{RECENT}?source=gate+2") == [gate]
    assert shown(client, f"{RECENT}?person=ada") == [face.photo]
    assert shown(client, f"{RECENT}?person=nobody") == []
    assert len(shown(client, f"{RECENT}?stage=nonsense")) == 3


def test_the_link_to_older_photos_keeps_the_filter(client: Client, operator: object) -> None:
    photos = [make.photo(stage="failed") for _ in range(49)]
    make.photo()
    answer = client.get(f"{RECENT}?stage=failed")
    assert len(answer.context["views"]) == 48
    (link,) = re.findall(r'href="([^"]+)" rel="next"', answer.content.decode())
    assert shown(client, RECENT + link.replace("&amp;", "&")) == [photos[0]]


def test_the_list_costs_the_same_for_many_photos(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        make.sighting(person=make.person(), face=make.face())
    # Session, user, 2 × permissions; the newest one; photos, faces, sightings; their number, and their sources.
    with django_assert_num_queries(10):
        client.get(RECENT)
    # The tiles alone, without number and sources.
    with django_assert_num_queries(8):
        client.get(RECENT, headers={"HX-Request": "true"})


def test_a_photo_is_seen_by_its_owner_and_by_operators_alone(
    client: Client, uploader: object
) -> None:
    mine, other = make.photo(owner=uploader), make.photo()
    assert client.get(f"/photos/{mine.pk}/").status_code == 200
    assert client.get(f"/photos/{other.pk}/").status_code == 404
    assert client.get(f"/photos/{other.pk}/tile/").status_code == 404
    assert client.get(f"/photos/{uuid.uuid4()}/").status_code == 404
    client.force_login(make.user("otto", role="operator"))
    assert client.get(f"/photos/{other.pk}/").status_code == 200


def test_a_photo_shows_a_box_for_each_face_with_its_candidates(
    client: Client, operator: object
) -> None:
    photo = make.photo(width=640, height=480)
    seen, stranger = make.face(photo=photo, x=50), make.face(photo=photo, index=1, x=400)
    make.sighting(person=make.person("Ada Example"), face=seen, distance=0.41)
    make.sighting(person=make.person("Bob Example"), face=seen, distance=0.52, rank=2)
    html = client.get(f"/photos/{photo.pk}/").content.decode()
    assert 'viewBox="0 0 640 480"' in html
    assert html.count("<rect ") == 2
    assert f'<rect x="{stranger.x}" y="20" width="100" height="110"/>' in html
    assert "1 Ada Example 0.41</text>" in html
    assert "possible Ada Example, 0.41" in html
    assert "<li>Bob Example, 0.52</li>" in html
    assert "nobody known" in html
    assert f"/api/v1/photos/{photo.pk}/image/" in html
    assert f"/api/v1/faces/{seen.pk}/chip/" in html


def test_someone_merged_into_another_is_shown_as_the_other(
    client: Client, operator: object
) -> None:
    face = make.face()
    merged = make.person("A. E.", merged_into=make.person("Ada Example"))
    make.sighting(person=merged, face=face)
    html = client.get(f"/photos/{face.photo_id}/").content.decode()
    assert "possible Ada Example" in html
    assert "A. E." not in html


def test_names_are_shown_as_text(client: Client, operator: object) -> None:
    face = make.face()
    make.sighting(person=make.person("<script>alert(1)</script>"), face=face)
    for path in (f"/photos/{face.photo_id}/", RECENT):
        assert b"<script>alert" not in client.get(path).content


@pytest.mark.parametrize(
    ("x", "y", "anchor", "dy"),
    [(10, 200, "start", "-0.4em"), (10, 0, "start", "1.1em"), (500, 200, "end", "-0.4em")],
)
def test_labels_stay_within_the_photo(
    client: Client, operator: object, x: int, y: int, anchor: str, dy: str
) -> None:
    face = make.face(x=x, y=y)
    html = client.get(f"/photos/{face.photo_id}/").content.decode()
    assert f'dy="{dy}" text-anchor="{anchor}"' in html


@pytest.mark.parametrize("path", ["/photos/{}/", "/photos/{}/tile/"])
def test_a_page_in_work_follows_the_photo_and_a_final_one_does_not(
    client: Client, uploader: object, path: str
) -> None:
    photo = make.photo(owner=uploader, stage="uploaded")
    url = path.format(photo.pk)
    html = client.get(url).content.decode()
    assert f'data-live="photo:{photo.pk}" data-version="uploaded:"' in html
    assert f'hx-get="{url}"' in html
    Photo.objects.update(stage="done")
    assert b"data-live" not in client.get(url).content


@pytest.mark.parametrize(
    ("stage", "failed_stage", "pictures"),
    [
        ("uploaded", "", 0),
        ("detected", "", 1),
        ("failed", "uploaded", 0),
        ("failed", "detected", 1),
    ],
)
def test_a_picture_is_shown_once_a_worker_made_it(
    client: Client, operator: object, stage: str, failed_stage: str, pictures: int
) -> None:
    photo = make.photo(stage=stage, failed_stage=failed_stage)
    assert client.get(f"/photos/{photo.pk}/tile/").content.count(b"<img") == pictures


def test_a_failed_photo_says_why_and_its_owner_tries_again(
    client: Client, uploader: object
) -> None:
    photo = make.photo(
        owner=uploader,
        stage="failed",
        failed_stage="uploaded",
        error_code="unreadable_image",
        error_detail="The photo is cut off.",
    )
    html = client.get(f"/photos/{photo.pk}/").content.decode()
    assert "The photo is cut off." in html
    assert f'action="/photos/{photo.pk}/retry/"' in html
    answer = client.post(f"/photos/{photo.pk}/retry/", follow=True)
    photo.refresh_from_db()
    assert photo.stage == "uploaded"
    assert b"The photo is tried again." in answer.content
    answer = client.post(f"/photos/{photo.pk}/retry/", follow=True)
    assert b"has not failed" in answer.content


def test_a_retry_needs_a_post_and_the_right(client: Client, db: None) -> None:
    photo = make.photo(stage="failed", failed_stage="uploaded")
    viewer = make.user("vera")
    viewer.user_permissions.add(*_permissions("view_photo"))
    client.force_login(viewer)
    assert client.get(f"/photos/{photo.pk}/retry/").status_code == 405
    assert client.post(f"/photos/{photo.pk}/retry/").status_code == 403
    assert b"/retry/" not in client.get(f"/photos/{photo.pk}/").content


def _permissions(*codenames: str) -> "QuerySet[Permission]":
    return Permission.objects.filter(codename__in=codenames)


class TestFilters:
    def test_time_and_faces_narrow_the_list(self, client: Client, operator: object) -> None:
        old = make.photo(created_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
        Photo.objects.filter(pk=old.pk).update(created_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
        face = make.face()
        waiting = make.photo(stage="uploaded")
        assert shown(client, f"{RECENT}?until=2026-01-01T12:01") == [old]
        assert shown(client, f"{RECENT}?since=2026-01-01T12:01") == [waiting, face.photo]
        assert shown(client, f"{RECENT}?faces=with") == [face.photo]
        # Of one that nobody has looked at yet it is not known.
        assert shown(client, f"{RECENT}?faces=without") == [old]

    def test_a_person_is_filtered_by_id_and_shown_by_name(
        self, client: Client, operator: object
    ) -> None:
        person, face = make.person("Ada Example"), make.face()
        make.photo()
        make.sighting(person=person, face=face)
        address = f"{RECENT}?person={person.pk}"
        assert shown(client, address) == [face.photo]
        assert b"Person: <strong>Ada Example</strong>" in client.get(address).content

    def test_each_filter_is_taken_away_alone(self, client: Client, operator: object) -> None:
        html = client.get(f"{RECENT}?stage=failed&source=gate+2").content.decode()
        assert 'href="/photos/?source=gate+2" aria-label="Remove the filter Stage: failed"' in html
        assert 'href="/photos/?stage=failed" aria-label="Remove the filter Source: gate 2"' in html

    def test_a_senseless_time_is_told_and_filters_nothing(
        self, client: Client, operator: object
    ) -> None:
        photo = make.photo()
        answer = client.get(f"{RECENT}?since=yesterday")
        assert [view.photo for view in answer.context["views"]] == [photo]
        assert b"It filters nothing." in answer.content

    def test_a_time_with_its_offset_stays_in_the_form_in_utc(
        self, client: Client, operator: object
    ) -> None:
        html = client.get(f"{RECENT}?since=2026-01-01T13:00:05.250%2B01:00").content.decode()
        assert 'name="since" value="2026-01-01T12:00:05"' in html


class TestPlace:
    def test_a_page_is_found_again_by_its_cursor_with_what_is_newer(
        self, client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        photos = [make.photo() for _ in range(3)]
        at = keyset.cursor(photos[1])
        # One more: whether there are newer ones; and no faces, hence no sightings.
        with django_assert_num_queries(10):
            answer = client.get(RECENT, {"at": at})
        assert [view.photo for view in answer.context["views"]] == [photos[1], photos[0]]
        (link,) = re.findall(r'href="([^"]+)" rel="prev"', answer.content.decode())
        assert shown(client, RECENT + link.replace("&amp;", "&")) == [photos[2]]
        newest = client.get(RECENT, {"at": keyset.cursor(photos[2])})
        assert b'rel="prev"' not in newest.content

    def test_beyond_the_newest_is_the_newest(self, client: Client, operator: object) -> None:
        photo = make.photo(stage="failed")
        after = {"after": keyset.cursor(photo), "stage": "failed"}
        assert client.get(RECENT, after)["Location"] == f"{RECENT}?stage=failed"

    def test_news_count_what_came_since_and_fits_the_filter(
        self, client: Client, operator: object
    ) -> None:
        make.photo(stage="failed")
        seen = client.get(RECENT).context["version"]
        for stage in ("failed", "done"):
            make.photo(stage=stage)
        news = client.get(f"{RECENT}news/", {"seen": seen, "stage": "failed"}).content.decode()
        assert "1 new photo<" in news
        assert 'href="/photos/?stage=failed"' in news
        assert "new photo" not in client.get(f"{RECENT}news/", {"seen": "x"}).content.decode()

    def test_the_photos_beside_one_are_of_the_same_list(
        self, client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        older, _, here, newer = (make.photo(source=source) for source in ("a", "b", "a", "a"))
        # Session, user, 2 × permissions; the photo, its faces; newer, older.
        with django_assert_num_queries(8):
            answer = client.get(f"/photos/{here.pk}/?source=a")
        assert (answer.context["newer"], answer.context["older"]) == (newer, older)
        assert f'href="/photos/{older.pk}/?source=a" rel="next"' in answer.content.decode()


class TestDeletion:
    def test_asks_first_and_leads_back_to_the_place(self, client: Client, uploader: Any) -> None:
        photo = make.photo(owner=uploader)
        address = f"/photos/{photo.pk}/delete/?stage=done"
        assert b"This cannot be undone." in client.get(address).content
        answer = client.post(address)
        assert not Photo.objects.exists()
        assert answer["Location"].startswith("/photos/?stage=done&at=")

    def test_needs_the_right(self, client: Client, operator: object) -> None:
        photo = make.photo()
        assert client.post(f"/photos/{photo.pk}/delete/").status_code == 403
        assert b"/delete/" not in client.get(f"/photos/{photo.pk}/").content
        client.force_login(make.user("nemo"))
        assert client.post(f"/photos/{photo.pk}/delete/").status_code == 404


def test_a_failed_photo_says_what_to_do(client: Client, uploader: Any) -> None:
    photo = make.photo(
        owner=uploader, stage="failed", failed_stage="uploaded", error_code="worker_died"
    )
    assert b"save it again in a picture viewer" in client.get(f"/photos/{photo.pk}/").content


def test_nobody_is_forgotten_by_deleting_an_upload_without_leave_to(
    client: Client, uploader: object
) -> None:
    face = make.face(photo=make.photo(owner=uploader))
    person = make.person("Ada Example")
    KnownFace.objects.create(person=person, face=face, revision=1)
    path = f"/photos/{face.photo_id}/delete/"
    assert client.post(path).status_code == 403
    assert client.delete(f"/api/v1/photos/{face.photo_id}/").status_code == 403
    assert KnownFace.objects.exists()
    assert path.encode() not in client.get(f"/photos/{face.photo_id}/").content
    client.force_login(make.user("mia", role="manager"))
    assert b"Ada Example is no longer known by it." in client.get(path).content
    assert client.post(path).status_code == 302
    assert not KnownFace.objects.exists()
