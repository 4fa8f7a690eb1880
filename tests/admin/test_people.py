from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alerts.models import Alert, Delivery
from recognition import people
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import KnownFace, Person, Photo, Sighting, Tombstone
from tests import make
from tests.admin.conftest import told

LIST = "/admin/recognition/person/"
ADD = "/admin/recognition/person/add/"


def change(person: Person) -> str:
    return f"{LIST}{person.pk}/change/"


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


def test_lists_are_chosen_on_the_form_and_kept_when_it_is_shown_again(
    client: Client, manager: Any
) -> None:
    lobby, garage = make.watchlist("Lobby"), make.watchlist("Garage")
    person = make.person()
    client.post(change(person), {"name": "Ada", "watchlists": [garage.pk]})
    assert list(person.watchlists.all()) == [garage]
    page = client.get(change(person))
    assert list(page.context["adminform"].form["watchlists"].value()) == [garage.pk]
    client.post(change(person), {"name": "Ada", "watchlists": [lobby.pk]})
    assert list(person.watchlists.all()) == [lobby]


def test_who_may_not_change_lists_sees_them_and_keeps_them(client: Client, db: None) -> None:
    user = make.user("cleo", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_person", "change_person"])
    )
    client.force_login(user)
    person = make.person()
    watchlist = make.watchlist("Lobby", people=(person,))
    page = client.get(change(person))
    assert "Lobby" in page.content.decode()
    client.post(change(person), {"name": "Ada", "watchlists": []})
    assert list(person.watchlists.all()) == [watchlist]


def test_an_operator_looks_and_changes_nothing(client: Client, operator: Any) -> None:
    person = make.person()
    make.known_face(person)
    page = client.get(change(person)).content.decode()
    assert "Add photos" not in page
    assert "Remove" not in page
    assert client.post(change(person), {"name": "Eve"}).status_code == 403
    assert client.get(f"{LIST}{person.pk}/delete/").status_code == 403
    assert client.get(ADD).status_code == 403


def test_deleting_tells_what_goes_and_leaves_tombstones(client: Client, manager: Any) -> None:
    person = make.person("Vera Vanish")
    for _ in range(2):
        make.known_face(person)
    alert = make.alert(watchlist=make.watchlist(), person=person)
    make.sighting(person=person, face=alert.face)
    known = set(KnownFace.objects.values_list("pk", flat=True))
    address = f"{LIST}{person.pk}/delete/"
    page = client.get(address)
    assert dict(page.context["model_count"]) == {
        "people": 1,
        "known faces": 2,
        "enrolment photos": 2,
        "sightings": 1,
        "alerts": 1,
    }
    assert "Enrolment photos: 2" in page.content.decode()
    client.post(address, {"post": "yes"})
    assert not Person.objects.exists()
    assert not Alert.objects.exists()
    assert not Sighting.objects.exists()
    assert set(Tombstone.objects.values_list("known_face_id", flat=True)) == known
    # The photo that somebody uploaded stays: it shows others as well.
    assert list(Photo.objects.all()) == [alert.photo]


def test_the_name_of_someone_deleted_is_nowhere_in_the_log(client: Client, manager: Any) -> None:
    client.post(ADD, {"name": "Vera Vanish"})
    person = Person.objects.get()
    client.post(f"{LIST}{person.pk}/delete/", {"post": "yes"})
    names = set(LogEntry.objects.values_list("object_repr", flat=True))
    assert names == {f"person {str(person.pk)[:8]}"}


def test_deleting_several_takes_those_merged_into_them_along(client: Client, manager: Any) -> None:
    first, second = make.person("First"), make.person("Second")
    make.person("Former", merged_into=first)
    known = make.known_face(second)
    chosen = {"action": "delete_selected", "_selected_action": [first.pk, second.pk]}
    page = client.post(LIST, chosen)
    assert dict(page.context["model_count"])["people"] == 3
    client.post(LIST, chosen | {"post": "yes"})
    assert not Person.objects.exists()
    assert Tombstone.objects.get().known_face_id == known.pk


def test_merging_asks_who_stays_and_moves_the_faces(client: Client, manager: Any) -> None:
    stays, goes = make.person("Stays"), make.person("Goes")
    known = make.known_face(goes)
    chosen = {"action": "merge_people", "_selected_action": [stays.pk, goes.pk]}
    page = client.post(LIST, chosen)
    assert b"Who stays?" in page.content
    assert not Person.objects.exclude(merged_into=None).exists()
    response = client.post(LIST, chosen | {"into": str(stays.pk), "post": "yes"})
    assert response["Location"] == change(stays)
    goes.refresh_from_db()
    known.refresh_from_db()
    assert goes.merged_into == stays
    assert people.merge_of(goes).merged_by == manager
    assert known.person == stays
    assert b"Goes" not in client.get(LIST).content
    assert b"Goes" in client.get(f"{LIST}?merged=yes").content
    assert "fw-cards" in client.get(change(stays)).content.decode()


def test_one_person_alone_is_not_merged(client: Client, manager: Any) -> None:
    person = make.person()
    response = client.post(LIST, {"action": "merge_people", "_selected_action": [person.pk]})
    assert told(response) == ["Choose two people or more to merge."]


def test_people_merged_before_are_not_merged_again(client: Client, manager: Any) -> None:
    stays = make.person("Stays")
    goes = make.person("Goes", merged_into=stays)
    chosen = {"action": "merge_people", "_selected_action": [stays.pk, goes.pk], "post": "yes"}
    response = client.post(f"{LIST}?merged=all", chosen | {"into": str(stays.pk)})
    assert "was merged already" in told(response)[0]


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


def test_a_person_merged_before_shows_into_whom(client: Client, manager: Any) -> None:
    goes = make.person("Goes", merged_into=make.person("Stays"))
    assert b"Stays" in client.get(change(goes)).content


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


def test_people_are_found_by_name_and_by_whether_they_are_known(
    client: Client, manager: Any
) -> None:
    make.known_face(make.person("Known One"))
    make.person("Unknown Two")
    assert b"Unknown Two" not in client.get(f"{LIST}?q=known+one").content
    assert b"Known One" not in client.get(f"{LIST}?known=no").content
    assert b"Unknown Two" not in client.get(f"{LIST}?known=yes").content


def test_the_list_shows_the_best_face_of_each(client: Client, manager: Any) -> None:
    person = make.person()
    enrolment = make.photo(person=person, purpose="enrolment")
    poor = make.known_face(person)
    best = make.face(photo=enrolment, quality=0.95)
    KnownFace.objects.create(person=person, face=best, revision=100)
    page = client.get(LIST).content.decode()
    assert f"/api/v1/faces/{best.pk}/chip/" in page
    assert str(poor.face_id) not in page


def test_only_people_who_stand_for_themselves_are_offered(client: Client, manager: Any) -> None:
    stays = make.person("Ann Stays")
    make.person("Ann Goes", merged_into=stays)
    query = {
        "app_label": "alerts",
        "model_name": "watchlist",
        "field_name": "people",
        "term": "ann",
    }
    found = client.get("/admin/autocomplete/", query).json()["results"]
    assert [one["text"] for one in found] == ["Ann Stays"]


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_asks_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    for number in range(count):
        person = make.person(f"Person {number}")
        make.known_face(person)
        make.watchlist(f"List {number}", people=(person,))
    # Session, user, two of permissions, two of counts, the list filter, the people, their lists.
    with django_assert_num_queries(9):
        client.get(LIST)


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


def test_a_person_goes_with_the_deliveries_of_their_alerts(client: Client, manager: Any) -> None:
    watchlist, person = make.watchlist(), make.person()
    subscription = make.subscription(watchlist)
    Delivery.objects.create(
        alert=make.alert(watchlist=watchlist, person=person),
        subscription=subscription,
        channel="email",
        target=subscription.target,
        mode="instant",
        stage="sent",
    )
    client.post(f"{LIST}{person.pk}/delete/", {"post": "yes"})
    assert not Delivery.objects.exists()


def test_people_with_refused_photos_are_found(client: Client, manager: Any) -> None:
    make.photo(person=make.person("Blurred"), purpose="enrolment", stage="failed")
    make.known_face(make.person("Sharp"))
    page = client.get(f"{LIST}?known=refused").content.decode()
    assert "Blurred" in page
    assert "Sharp" not in page


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
