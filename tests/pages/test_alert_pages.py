import re
import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from alerts import review
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


@pytest.mark.parametrize("path", ["/alerts/", f"/alerts/{uuid.uuid4()}/"])
def test_alerts_are_for_those_with_the_permission(
    client: Client, uploader: object, path: str
) -> None:
    assert client.get(path).status_code == 403
    client.logout()
    assert client.get(path).headers["Location"] == f"/login/?next={path}"


def test_an_alert_stands_in_the_list_with_both_faces(
    client: Client, operator: object, alert: Alert
) -> None:
    html = client.get("/alerts/").content.decode()
    known = alert.person.known_faces.get().face_id
    assert f'href="/alerts/{alert.pk}/"' in html
    assert html.index(f"/api/v1/faces/{alert.face_id}/chip/") < html.index(
        f"/api/v1/faces/{known}/chip/"
    )
    for fact in ("Ada Example", "Lobby", "0.40", "open"):
        assert fact in html


def test_the_best_known_face_is_the_one_beside(
    client: Client, operator: object, alert: Alert
) -> None:
    best = make.known_face(alert.person)
    type(best.face).objects.filter(pk=best.face_id).update(quality=1.0)
    assert f"/api/v1/faces/{best.face_id}/chip/" in client.get("/alerts/").content.decode()


def test_someone_merged_into_another_is_shown_with_the_others_face(
    client: Client, operator: object, alert: Alert
) -> None:
    into = make.person("Ada Lovelace")
    known = make.known_face(into)
    alert.person.known_faces.all().delete()
    type(into).objects.filter(pk=alert.person_id).update(merged_into=into)
    html = client.get("/alerts/").content.decode()
    assert "Ada Lovelace" in html
    assert f"/api/v1/faces/{known.face_id}/chip/" in html


def test_a_person_without_known_faces_is_no_error(client: Client, operator: object) -> None:
    make.alert(watchlist=make.watchlist(), person=make.person())
    assert b"no known face left" in client.get("/alerts/").content


def test_alerts_are_filtered_by_status_newest_first(
    client: Client, operator: object, alert: Alert
) -> None:
    newer = make.alert(
        watchlist=alert.watchlist,
        person=alert.person,
        status="dismissed",
        reviewed_at=timezone.now(),
    )
    assert client.get("/alerts/").context["alerts"] == [newer, alert]
    assert client.get("/alerts/?status=open").context["alerts"] == [alert]
    assert client.get("/alerts/?status=dismissed").context["alerts"] == [newer]


def test_the_link_to_older_alerts_leads_on(client: Client, operator: object, alert: Alert) -> None:
    for _ in range(30):
        make.alert(watchlist=alert.watchlist, person=alert.person)
    html = client.get("/alerts/").content.decode()
    (link,) = re.findall(r'href="([^"]+)" rel="next"', html)
    assert client.get(f"/alerts/{link}").context["alerts"] == [alert]


def test_the_list_costs_the_same_for_many_alerts(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    watchlist = make.watchlist()
    for number in range(5):
        person = make.person(f"Person {number}")
        make.known_face(person)
        make.alert(watchlist=watchlist, person=person)
    # Session, user, 2 × permissions; alerts.
    with django_assert_num_queries(5):
        client.get("/alerts/")


def test_an_alert_shows_its_face_alone_in_the_whole_photo(
    client: Client, operator: object, alert: Alert
) -> None:
    make.face(photo=alert.photo, index=1, x=300)
    html = client.get(f"/alerts/{alert.pk}/").content.decode()
    assert "Possible sighting of Ada Example" in html
    assert html.count("<rect ") == 1
    assert f'<rect x="{alert.face.x}"' in html
    assert "0.40 of at most 0.50" in html


@pytest.mark.parametrize("status", ["confirmed", "dismissed"])
def test_a_verdict_is_stored_with_reason_and_reviewer(
    client: Client, operator: object, alert: Alert, status: str
) -> None:
    verdict = {"status": status, "reason": "Same scar", "version": alert.version}
    answer = client.post(f"/alerts/{alert.pk}/", verdict, follow=True)
    alert.refresh_from_db()
    assert (alert.status, alert.reason, alert.reviewed_by) == (status, "Same scar", operator)
    assert f"The alert is {status}.".encode() in answer.content
    assert b"Same scar" in answer.content


def test_a_stale_form_is_refused_and_shows_the_present_state(
    client: Client, operator: object, alert: Alert
) -> None:
    seen = alert.version
    other = make.user("olga")
    review.decide(alert, status="dismissed", reason="A poster", by=other, version=seen)
    verdict = {"status": "confirmed", "reason": "It is her", "version": seen}
    answer = client.post(f"/alerts/{alert.pk}/", verdict)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert "somebody else changed this alert" in html
    assert "dismissed: A poster" in html
    assert "olga" in html
    assert "It is her</textarea>" in html
    assert f'name="version" value="{seen + 1}"' in html
    alert.refresh_from_db()
    assert alert.status == "dismissed"


@pytest.mark.parametrize(
    "verdict",
    [{}, {"status": "open", "version": 1}, {"status": "confirmed", "version": "x"}],
)
def test_a_senseless_verdict_stores_nothing(
    client: Client, operator: object, alert: Alert, verdict: dict[str, object]
) -> None:
    assert client.post(f"/alerts/{alert.pk}/", verdict).status_code == 400
    alert.refresh_from_db()
    assert alert.status == "open"


def test_who_may_only_look_gets_no_form_and_no_say(client: Client, alert: Alert) -> None:
    viewer = make.user("vera")
    viewer.user_permissions.add(*Permission.objects.filter(codename="view_alert"))
    client.force_login(viewer)
    assert b"<textarea" not in client.get(f"/alerts/{alert.pk}/").content
    verdict = {"status": "confirmed", "version": alert.version}
    assert client.post(f"/alerts/{alert.pk}/", verdict).status_code == 403


def test_an_unknown_alert_is_not_found(client: Client, operator: object) -> None:
    assert client.get(f"/alerts/{uuid.uuid4()}/").status_code == 404
