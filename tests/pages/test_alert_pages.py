"""The list of all alerts."""

import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from alerts.models import Alert
from tests import make


@pytest.fixture
def alert(db: None) -> Alert:
    """An open alert for somebody with one known face."""
    person = make.person("Ada Example")
    make.known_face(person)
    face = make.face()
    make.sighting(person=person, face=face)
    return make.alert(watchlist=make.watchlist("Lobby"), person=person, face=face)


@pytest.mark.parametrize(
    "path", ["/alerts/", "/alerts/all/", "/alerts/00000000-0000-4000-8000-000000000000/"]
)
def test_alerts_are_for_those_with_the_permission(
    client: Client, uploader: object, path: str
) -> None:
    assert client.get(path).status_code == 403
    client.logout()
    assert client.get(path).headers["Location"] == f"/login/?next={path}"


def test_an_alert_stands_in_the_list_with_both_faces(
    client: Client, operator: object, alert: Alert
) -> None:
    html = client.get("/alerts/all/").content.decode()
    known = make.whom(alert).known_faces.get().face_id
    assert f'href="/alerts/{alert.pk}/"' in html
    assert html.index(f"/api/v1/faces/{alert.face_id}/chip/") < html.index(
        f"/api/v1/faces/{known}/chip/"
    )
    for fact in ("Ada Example", "Lobby", "open"):
        assert fact in html


def test_the_best_known_face_is_the_one_beside(
    client: Client, operator: object, alert: Alert
) -> None:
    best = make.known_face(make.whom(alert))
    type(best.face).objects.filter(pk=best.face_id).update(quality=1.0)
    assert f"/api/v1/faces/{best.face_id}/chip/" in client.get("/alerts/all/").content.decode()


def test_someone_merged_into_another_is_shown_with_the_others_face(
    client: Client, operator: object, alert: Alert
) -> None:
    into = make.person("Ada Lovelace")
    known = make.known_face(into)
    make.whom(alert).known_faces.all().delete()
    type(into).objects.filter(pk=make.whom(alert).pk).update(merged_into=into)
    html = client.get("/alerts/all/").content.decode()
    assert "Ada Lovelace" in html
    assert f"/api/v1/faces/{known.face_id}/chip/" in html


def test_a_person_without_known_faces_is_no_error(client: Client, operator: object) -> None:
    make.alert(watchlist=make.watchlist(), person=make.person())
    assert b"no known face left" in client.get("/alerts/all/").content


def test_alerts_are_filtered_by_status_newest_first(
    client: Client, operator: object, alert: Alert
) -> None:
    newer = make.alert(
        watchlist=alert.watchlist,
        person=alert.person,
        status="dismissed",
        reviewed_at=timezone.now(),
    )
    assert client.get("/alerts/all/").context["alerts"] == [newer, alert]
    assert client.get("/alerts/all/?status=open").context["alerts"] == [alert]
    assert client.get("/alerts/all/?status=dismissed").context["alerts"] == [newer]


def test_the_link_to_older_alerts_leads_on(client: Client, operator: object, alert: Alert) -> None:
    for _ in range(30):
        make.alert(watchlist=alert.watchlist, person=alert.person)
    html = client.get("/alerts/all/").content.decode()
    (link,) = re.findall(r'href="([^"]+)" rel="next"', html)
    assert client.get(f"/alerts/all/{link}").context["alerts"] == [alert]


def test_the_list_costs_the_same_for_many_alerts(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    watchlist = make.watchlist()
    for number in range(5):
        person = make.person(f"Person {number}")
        make.known_face(person)
        make.alert(watchlist=watchlist, person=person)
    # Session, user, 2 × permissions; watch-lists to choose from, alerts.
    with django_assert_num_queries(6):
        client.get("/alerts/all/")


def test_alerts_are_filtered_by_list_and_by_name(
    client: Client, operator: object, alert: Alert
) -> None:
    gate, into = make.watchlist("Gate"), make.person("Bob Example")
    merged = make.alert(watchlist=gate, person=make.person("B. E.", merged_into=into))
    assert client.get(f"/alerts/all/?watchlist={gate.pk}").context["alerts"] == [merged]
    assert client.get("/alerts/all/?person=bob").context["alerts"] == [merged]
    assert client.get("/alerts/all/?person=ada").context["alerts"] == [alert]
    assert client.get("/alerts/all/?person=eve").context["alerts"] == []


def test_what_a_reviewer_could_not_tell_is_listed_for_a_second_look(
    client: Client, operator: object, alert: Alert
) -> None:
    aside = make.alert(
        watchlist=alert.watchlist,
        person=alert.person,
        status="unsure",
        reviewed_at=timezone.now(),
    )
    answer = client.get("/alerts/all/?status=unsure")
    assert answer.context["alerts"] == [aside]
    assert b"can&#x27;t tell: for a second look" in answer.content


def test_the_list_tells_no_distance_before_the_answer(
    client: Client, operator: object, alert: Alert, settings: Settings
) -> None:
    distance = b"distance 0.40"
    assert distance not in client.get("/alerts/all/").content
    settings.BLIND_REVIEW = False
    assert distance in client.get("/alerts/all/").content
    settings.BLIND_REVIEW = True
    Alert.objects.update(status="confirmed", reviewed_at=timezone.now())
    assert distance in client.get("/alerts/all/").content
