from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from alerts import review
from alerts.models import Alert
from tests import make
from tests.admin.conftest import told

LIST = "/admin/alerts/alert/"


def change(alert: Alert) -> str:
    return f"{LIST}{alert.pk}/change/"


@pytest.fixture
def alert(db: None) -> Alert:
    """An open alert of a person with a known face."""
    person = make.person("Ada Example")
    make.known_face(person)
    return make.alert(watchlist=make.watchlist(), person=person)


def test_the_face_that_was_seen_stands_beside_the_known_one(
    client: Client, operator: Any, alert: Alert
) -> None:
    known = make.whom(alert).known_faces.get()
    for address in (LIST, change(alert)):
        page = client.get(address).content.decode()
        assert f"/api/v1/faces/{alert.face_id}/chip/" in page
        assert f"/api/v1/faces/{known.face_id}/chip/" in page


@pytest.mark.parametrize(
    ("button", "status"), [("_confirm", "confirmed"), ("_dismiss", "dismissed")]
)
def test_a_verdict_is_stored_with_reason_and_reviewer(
    client: Client, operator: Any, alert: Alert, button: str, status: str
) -> None:
    client.post(change(alert), {"reason": "Seen it.", "seen_version": 1, button: "on"})
    alert.refresh_from_db()
    assert (alert.status, alert.reason, alert.reviewed_by) == (status, "Seen it.", operator)
    assert alert.version == 2


def test_a_verdict_on_what_somebody_changed_meanwhile_is_refused(
    client: Client, operator: Any, alert: Alert
) -> None:
    page = client.get(change(alert))
    seen = page.context["adminform"].form["seen_version"].value()
    review.decide(alert, status="dismissed", reason="A twin.", by=make.user(), version=1)
    response = client.post(change(alert), {"seen_version": seen, "_confirm": "on"})
    assert response["Location"] == change(alert)
    (line,) = told(response)
    assert line.startswith("Your verdict was not stored. The alert was changed by someone else")
    alert.refresh_from_db()
    assert (alert.status, alert.reason) == ("dismissed", "A twin.")


def test_several_are_judged_with_one_reason_and_judged_ones_stay(
    client: Client, operator: Any, alert: Alert
) -> None:
    judged = make.alert(watchlist=alert.watchlist, person=alert.person)
    review.decide(judged, status="confirmed", by=make.user(), version=1)
    response = client.post(
        LIST,
        {
            "action": "dismiss_alerts",
            "reason": " A poster. ",
            "_selected_action": [alert.pk, judged.pk],
        },
    )
    alert.refresh_from_db()
    judged.refresh_from_db()
    assert (alert.status, alert.reason) == ("dismissed", "A poster.")
    assert judged.status == "confirmed"
    assert told(response) == [
        "1 alert is dismissed.",
        "1 was judged already, and stays as it is.",
    ]


def test_several_are_confirmed(client: Client, operator: Any, alert: Alert) -> None:
    other = make.alert(watchlist=alert.watchlist, person=alert.person)
    client.post(LIST, {"action": "confirm_alerts", "_selected_action": [alert.pk, other.pk]})
    assert set(Alert.objects.values_list("status", flat=True)) == {"confirmed"}


def test_alerts_are_neither_added_nor_deleted(client: Client, manager: Any, alert: Alert) -> None:
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{alert.pk}/delete/", {"post": "yes"}).status_code == 403


def test_who_may_only_view_gets_no_buttons(client: Client, db: None, alert: Alert) -> None:
    user = make.user("vic", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_alert"))
    client.force_login(user)
    page = client.get(change(alert)).content.decode()
    assert "_confirm" not in page
    assert client.post(change(alert), {"seen_version": 1, "_confirm": "on"}).status_code == 403
    page = client.get(LIST).content.decode()
    assert "confirm_alerts" not in page


@pytest.mark.parametrize("count", [1, 12])
def test_the_list_asks_the_same_number_of_questions(
    client: Client, operator: Any, count: int, django_assert_num_queries: Any
) -> None:
    watchlist = make.watchlist()
    for number in range(count):
        person = make.person(f"Person {number}")
        make.known_face(person)
        make.alert(watchlist=watchlist, person=person)
    # Session, user, two of permissions, two of counts, two of the dates, the lists of the filter, the alerts.
    with django_assert_num_queries(10):
        client.get(LIST)


@pytest.mark.parametrize("status", [one for one in Alert.Status if one != Alert.Status.OPEN])
def test_every_verdict_is_an_action_a_filter_and_a_badge(
    client: Client, operator: Any, alert: Alert, status: Alert.Status
) -> None:
    names = {"confirmed": "confirm_alerts", "dismissed": "dismiss_alerts"}
    action = names.get(status, f"mark_{status}")
    assert f'value="{action}"' in client.get(LIST).content.decode()
    client.post(LIST, {"action": action, "_selected_action": [alert.pk]})
    alert.refresh_from_db()
    assert alert.status == status
    page = client.get(f"{LIST}?status__exact={status}").content.decode()
    assert f"fw-badge fw-{status}" in page
    styles = Path("static/admin-facewatch/pictures.css").read_text()
    assert f".fw-{status}" in styles or status == "dismissed", "nothing is to be noticed of that"
