"""Enrolling in the admin: photos sent with a person, what became of them, and trying again."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Person, Photo
from tests import make
from tests.admin.conftest import told
from tests.admin.person_pages import ADD, change


def test_photos_sent_with_a_person_become_known_faces_or_say_why_not(
    client: Client, manager: Any, demo_file: Any, engine: Engine, known: Gallery
) -> None:
    photos = [demo_file(name) for name in ("obama-2009.jpg", "obama-2012.jpg", "coffee.png")]
    watchlist = make.watchlist()
    response = client.post(
        ADD, {"name": "Barack Obama", "photos": photos, "watchlists": [watchlist.pk]}
    )
    person = Person.objects.get()
    assert response["Location"] == change(person)
    page = client.get(change(person)).content.decode()
    assert page.count("fw-badge fw-uploaded") == 3
    assert "data-busy" in page

    for photo in Photo.objects.all():
        make.recognised(photo, engine=engine, known=known)
    part = client.get(reverse("admin:recognition_person_enrolments", args=[person.pk]))
    html = part.content.decode()
    assert "data-busy" not in html
    assert html.count("fw-badge fw-done") == 2
    faces = [str(known.face_id) for known in person.known_faces.all()]
    assert len(faces) == 2
    assert all(f"/api/v1/faces/{face}/chip/" in html for face in faces)
    assert "no_face" in html
    assert "No face was found." in html
    refused = Photo.objects.get(stage="failed")
    thumbnail = f"/api/v1/photos/{refused.pk}/image/?size=thumbnail"
    assert thumbnail in html
    assert client.get(thumbnail).getvalue().startswith(b"\xff\xd8")
    assert list(person.watchlists.all()) == [watchlist]


def test_new_photos_wake_a_worker_each(
    client: Client,
    manager: Any,
    demo_file: Any,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        client.post(
            ADD, {"name": "Ada", "photos": [demo_file("sunak.jpg"), demo_file("hopper.jpg")]}
        )
    assert len(callbacks) == 2


def test_bad_files_are_named_with_what_to_do_and_the_good_ones_are_kept(
    client: Client, manager: Any, demo_file: Any
) -> None:
    files = [
        SimpleUploadedFile("notes.jpg", b"these are words"),
        demo_file("sunak.jpg"),
        SimpleUploadedFile("empty.png", b""),
    ]
    response = client.post(ADD, {"name": "Rishi Sunak", "notes": "kept", "photos": files})
    person = Person.objects.get()
    assert person.notes == "kept"
    assert person.enrolments.count() == 1
    lines = told(response)
    assert any("notes.jpg: This is not a JPEG" in line and "Save it as" in line for line in lines)
    assert any("empty.png: The file is empty." in line for line in lines)
    shown = client.get(response["Location"]).content.decode()
    assert "notes.jpg" in shown
    assert "empty.png" in shown


def test_the_same_photo_again_is_told_and_not_doubled(
    client: Client, manager: Any, demo_file: Any
) -> None:
    person = make.person()
    client.post(change(person), {"name": "Ada", "photos": [demo_file("sunak.jpg")]})
    response = client.post(change(person), {"name": "Ada", "photos": [demo_file("sunak.jpg")]})
    assert person.enrolments.count() == 1
    assert "Stored before, and not doubled: sunak.jpg." in told(response)


def test_a_failed_photo_is_tried_again_from_the_person(client: Client, manager: Any) -> None:
    person = make.person()
    photo = make.photo(
        person=person,
        purpose="enrolment",
        stage="failed",
        failed_stage="uploaded",
        error_code="worker_died",
    )
    address = reverse("admin:recognition_person_retry", args=[person.pk, photo.pk])
    assert client.get(address).status_code == 405
    client.post(address)
    photo.refresh_from_db()
    assert photo.stage == "uploaded"
    assert told(client.post(address))[-1] == "The photo has not failed; nothing was done."


def test_the_photos_of_a_person_are_for_those_who_may_see_and_change_them(
    client: Client, db: None
) -> None:
    client.force_login(make.user("nora", is_staff=True))
    photo = make.photo(person=make.person(), purpose="enrolment", stage="failed")
    known = [photo.person_id]
    assert client.get(reverse("admin:recognition_person_enrolments", args=known)).status_code == 403
    retry = reverse("admin:recognition_person_retry", args=[photo.person_id, photo.pk])
    assert client.post(retry).status_code == 403


def test_a_photo_of_somebody_else_is_not_retried(client: Client, manager: Any) -> None:
    photo = make.photo(stage="failed", failed_stage="uploaded")
    address = reverse("admin:recognition_person_retry", args=[make.person().pk, photo.pk])
    assert client.post(address).status_code == 404


@pytest.mark.parametrize("count", [1, 12])
def test_the_photos_of_a_person_take_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    person = make.person()
    for _ in range(count):
        make.known_face(person)
    # Session, user, person, two of permissions, three of the version, photos, faces with what they are known as.
    with django_assert_num_queries(10):
        client.get(reverse("admin:recognition_person_enrolments", args=[person.pk]))


def test_a_refused_photo_says_in_plain_words_why_and_what_to_do(
    client: Client, manager: Any
) -> None:
    photo = make.photo(
        person=make.person(),
        purpose="enrolment",
        stage="failed",
        error_code="worker_died",
        error_detail="The worker died.",
    )
    page = client.get(change(Person.objects.get())).content.decode()
    assert "Could not be looked at" in page
    assert "Try again; if it fails again, send another photo." in page
    assert f'id="retry-{photo.pk}"' in page
    assert f'id="remove-{photo.pk}"' in page


def test_an_open_page_of_a_person_is_told_of_what_changes(client: Client, manager: Any) -> None:
    person = make.person()
    make.photo(person=person, purpose="enrolment", stage="uploaded")
    page = client.get(change(person)).content.decode()
    topic = f"person:{person.pk}"
    shown = client.get("/changes/", {"topic": topic}).json()[topic]
    assert f'data-live="{topic}" data-version="{shown}"' in page
    Photo.objects.update(stage="failed")
    assert client.get("/changes/", {"topic": topic}).json()[topic] != shown
