from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from alerts.models import Alert, Delivery
from recognition import people
from recognition.models import KnownFace, Person, Photo, Sighting, Tombstone
from tests import make
from tests.admin.conftest import told
from tests.admin.person_pages import ADD, LIST, change


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


def test_a_person_merged_before_shows_into_whom(client: Client, manager: Any) -> None:
    goes = make.person("Goes", merged_into=make.person("Stays"))
    assert b"Stays" in client.get(change(goes)).content


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
