from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Photo, Tombstone
from tests import make
from tests.admin.conftest import told

LIST = "/admin/recognition/photo/"
ADD = f"{LIST}add/"


def change(photo: Photo) -> str:
    return f"{LIST}{photo.pk}/change/"


def test_several_photos_are_sent_at_once_under_one_source(
    client: Client, manager: Any, demo_file: Any
) -> None:
    files = [demo_file("sunak.jpg"), demo_file("coffee.png")]
    response = client.post(ADD, {"photos": files, "source": "gate 3"})
    assert response["Location"] == LIST
    assert told(response) == ["2 photos are stored and will be looked at."]
    rows = list(Photo.objects.values_list("owner", "source", "purpose"))
    assert rows == [(manager.pk, "gate 3", "upload")] * 2


def test_the_summary_tells_new_known_and_refused_photos_apart(
    client: Client, manager: Any, demo_file: Any
) -> None:
    client.post(ADD, {"photos": [demo_file("sunak.jpg")]})
    files = [
        demo_file("sunak.jpg"),
        demo_file("hopper.jpg"),
        SimpleUploadedFile("film.gif", b"GIF89a"),
    ]
    response = client.post(ADD, {"photos": files})
    assert response["Location"] == ADD
    new, known, refused = told(response)[-3:]
    assert new == "1 photo is stored and will be looked at."
    assert known == "Stored before, and not doubled: sunak.jpg."
    assert refused.startswith("Not stored: film.gif: ")
    assert Photo.objects.count() == 2


def test_files_over_the_limit_name_it_and_keep_the_others(
    client: Client, manager: Any, demo_file: Any, settings: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 100_000
    settings.FILE_UPLOAD_HANDLERS = settings.FILE_UPLOAD_HANDLERS[1:]
    files = [SimpleUploadedFile("huge.jpg", b"\xff\xd8" * 60_000), demo_file("hopper.jpg")]
    response = client.post(ADD, {"photos": files})
    assert any("huge.jpg" in line and "Send a smaller copy." in line for line in told(response))
    assert Photo.objects.count() == 1


def test_a_full_backlog_is_told_with_how_long_to_wait(
    client: Client, manager: Any, demo_file: Any, settings: Any
) -> None:
    settings.MAX_BACKLOG = 0
    response = client.post(ADD, {"photos": [demo_file("sunak.jpg")]})
    (line,) = told(response)
    assert line.startswith("Not stored: sunak.jpg: ")
    assert "Send it again in about" in line
    assert not Photo.objects.exists()


def test_a_form_without_photos_asks_for_them(client: Client, manager: Any) -> None:
    page = client.post(ADD, {"source": "gate 3"}).content.decode()
    assert "This field is required." in page
    assert 'value="gate 3"' in page


def test_a_photo_shows_its_faces_with_who_they_may_be(
    client: Client, manager: Any, photos_folder: Any, engine: Engine, known: Gallery
) -> None:
    person = make.person("Barack Obama")
    make.recognised(make.upload("obama-2009.jpg", person=person), engine=engine, known=known)
    photo = make.recognised(make.upload("obama-2012.jpg"), engine=engine, known=known)
    page = client.get(change(photo)).content.decode()
    face = photo.faces.get()
    assert f"/api/v1/faces/{face.pk}/chip/" in page
    assert f"/api/v1/photos/{photo.pk}/image/" in page
    assert "Barack Obama" in page
    assert f"distance {face.sightings.get().distance:.3f}" in page
    enrolment = person.enrolments.get()
    assert "known by this face" in client.get(change(enrolment)).content.decode()


def test_a_photo_without_faces_and_one_not_looked_at_yet_say_so(
    client: Client, manager: Any
) -> None:
    assert b"No faces were stored" in client.get(change(make.photo())).content
    waiting = client.get(change(make.photo(stage="uploaded"))).content
    assert b"The faces are still to be found." in waiting
    assert b"There is no picture until" in waiting


def test_nothing_of_a_photo_can_be_written(client: Client, manager: Any) -> None:
    photo = make.photo(source="gate 3")
    assert b'name="_save"' not in client.get(change(photo)).content
    assert client.post(change(photo), {"source": "elsewhere"}).status_code == 403
    photo.refresh_from_db()
    assert photo.source == "gate 3"


def test_failed_photos_are_tried_again_and_others_left(client: Client, manager: Any) -> None:
    failed = make.photo(stage="failed", failed_stage="detected", error_code="worker_died")
    done = make.photo()
    response = client.post(
        LIST, {"action": "retry_photos", "_selected_action": [failed.pk, done.pk]}
    )
    failed.refresh_from_db()
    assert failed.stage == "detected"
    assert failed.error_code == ""
    assert told(response) == ["1 photo will be looked at again.", "1 had not failed."]


def test_a_failed_photo_says_why_and_can_be_tried_again_from_its_page(
    client: Client, manager: Any
) -> None:
    photo = make.photo(
        stage="failed",
        failed_stage="uploaded",
        error_code="worker_died",
        error_detail="Five times.",
    )
    page = client.get(change(photo)).content.decode()
    assert "worker_died: Five times." in page
    assert 'name="action" value="retry_photos"' in page
    assert "retry_photos" not in client.get(change(make.photo())).content.decode()


def test_deleting_photos_tells_what_goes_and_leaves_tombstones(
    client: Client, manager: Any
) -> None:
    known = make.known_face(make.person())
    alert = make.alert(watchlist=make.watchlist(), person=known.person)
    photos = [known.face.photo.pk, alert.photo.pk]
    chosen = {"action": "delete_selected", "_selected_action": photos}
    page = client.post(LIST, chosen)
    assert dict(page.context["model_count"]) == {
        "photos": 2,
        "faces": 2,
        "known faces": 1,
        "sightings": 0,
        "alerts": 1,
    }
    client.post(LIST, chosen | {"post": "yes"})
    assert not Photo.objects.exists()
    assert Tombstone.objects.get().known_face_id == known.pk


def test_the_files_of_a_deleted_photo_go(
    client: Client,
    manager: Any,
    photos_folder: Any,
    settings: Any,
    django_capture_on_commit_callbacks: Any,
) -> None:
    photo = make.upload("sunak.jpg")
    assert (settings.MEDIA_ROOT / photo.folder).exists()
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(f"{LIST}{photo.pk}/delete/", {"post": "yes"})
    assert response["Location"] == LIST
    assert not (settings.MEDIA_ROOT / photo.folder).exists()


def test_removing_an_enrolment_leads_back_to_its_person(client: Client, manager: Any) -> None:
    person = make.person()
    photo = make.photo(person=person, purpose="enrolment", stage="failed")
    response = client.post(f"{LIST}{photo.pk}/delete/", {"post": "yes"})
    assert response["Location"] == f"/admin/recognition/person/{person.pk}/change/"


def test_an_uploader_of_the_staff_may_send_and_is_kept_on_the_form(
    client: Client, db: None, demo_file: Any
) -> None:
    client.force_login(make.user("ulla", role="uploader", is_staff=True))
    response = client.post(ADD, {"photos": [demo_file("sunak.jpg")]})
    assert response["Location"] == ADD
    assert client.get(ADD).status_code == 200
    assert client.get(LIST).status_code == 403


def test_staff_without_any_role_may_not_send_or_look(client: Client, db: None) -> None:
    client.force_login(make.user("nora", is_staff=True))
    for address in (ADD, LIST, change(make.photo())):
        assert client.get(address).status_code == 403


def test_an_operator_may_not_delete(client: Client, operator: Any) -> None:
    photo = make.photo()
    client.post(LIST, {"action": "delete_selected", "_selected_action": [photo.pk], "post": "yes"})
    assert client.post(f"{LIST}{photo.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Photo.objects.exists()


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_asks_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        make.face(photo=make.photo(owner=manager))
    # Session, user, two of permissions, two of counts, two of the dates, the photos.
    with django_assert_num_queries(9):
        client.get(LIST)


@pytest.mark.parametrize("count", [1, 12])
def test_the_page_of_a_photo_asks_the_same_number_of_questions(
    client: Client, manager: Any, count: int, django_assert_num_queries: Any
) -> None:
    photo = make.photo()
    for index in range(count):
        make.sighting(person=make.person(), face=make.face(photo=photo, index=index))
    # Session, user, two of permissions, the photo twice, its faces, their candidates.
    with django_assert_num_queries(8):
        client.get(change(photo))
