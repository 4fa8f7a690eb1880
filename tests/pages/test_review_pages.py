"""The review without scripts: one possible sighting a page, blind first, two reviewers never in each other's way."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from alerts import review
from alerts.models import Alert, Appearance
from recognition.models import KnownFace
from tests import make

#: What is measured of the alert below, as a page would show it.
NUMBERS = ("0.43", "0.61", "0.18", "0.57", "Bob Rival")


@pytest.fixture
def alert(db: None) -> Alert:
    """An open alert for somebody with one known face, with somebody else not far behind."""
    person, rival = make.person("Ada Example"), make.person("Bob Rival")
    for known in (person, rival):
        make.known_face(known)
    face = make.face(photo=make.photo(source="gate 2"))
    make.sighting(person=person, face=face, distance=0.43)
    make.sighting(person=rival, face=face, distance=0.61, rank=2)
    return make.alert(
        watchlist=make.watchlist("Lobby"),
        person=person,
        face=face,
        distance=0.43,
        threshold=0.57,
        margin=0.18,
    )


def raise_more(alert: Alert, count: int, *, minutes: int = 1) -> list[Alert]:
    """Further open alerts of the same person, each so many minutes later than the one before."""
    made = [make.alert(watchlist=alert.watchlist, person=alert.person) for _ in range(count)]
    for number, row in enumerate(made, 1):
        row.created_at = alert.created_at + number * timedelta(minutes=minutes)
        row.save()
    return made


def shown(answer: Any) -> str:
    """The id of the alert on a page."""
    (found,) = re.findall(r'data-alert="([^"]+)"', answer.content.decode())
    return str(found)


def decided(alert: Alert, status: str = "dismissed", **fields: Any) -> Alert:
    """The alert after olga's verdict."""
    review.decide(alert, status=status, by=make.user("olga"), version=alert.version, **fields)
    return alert


class TestThePage:
    def test_shows_both_faces_and_the_photo_with_one_box(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        make.face(photo=alert.photo, index=1, x=300)
        html = client.get(f"/alerts/{alert.pk}/").content.decode()
        known = make.whom(alert).known_faces.get().face_id
        assert "Possible sighting of Ada Example" in html
        assert html.index(f"/api/v1/faces/{alert.face_id}/chip/") < html.index(
            f"/api/v1/faces/{known}/chip/"
        )
        assert f"/api/v1/photos/{alert.photo_id}/image/" in html
        assert html.count(f'<rect x="{alert.face.x}"') == 1
        assert 'x="300"' not in html

    def test_never_says_match(self, client: Client, operator: object, alert: Alert) -> None:
        for row in (alert, decided(raise_more(alert, 1)[0])):
            assert "match" not in client.get(f"/alerts/{row.pk}/").content.decode().lower()

    def test_shows_six_enrolled_faces_the_best_first(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        for quality in (0.91, 0.99, 0.92, 0.93, 0.94, 0.95):
            known = make.known_face(make.whom(alert))
            type(known.face).objects.filter(pk=known.face_id).update(quality=quality)
        best = KnownFace.objects.filter(person=alert.person).order_by("-face__quality")[:6]
        html = client.get(f"/alerts/{alert.pk}/").content.decode()
        chips = re.findall(r"/api/v1/faces/([^/]+)/chip/", html)
        assert chips == [str(alert.face_id), *(str(known.face_id) for known in best)]

    def test_shows_someone_merged_by_the_others_name_and_faces(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        into = make.person("Ada Lovelace")
        known = make.known_face(into)
        make.whom(alert).known_faces.all().delete()
        type(into).objects.filter(pk=make.whom(alert).pk).update(merged_into=into)
        html = client.get(f"/alerts/{alert.pk}/").content.decode()
        assert "Possible sighting of Ada Lovelace" in html
        assert f"/api/v1/faces/{known.face_id}/chip/" in html

    def test_says_when_no_known_face_is_left(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        make.whom(alert).known_faces.all().delete()
        assert b"No known face is left" in client.get(f"/alerts/{alert.pk}/").content

    def test_shows_every_sighting_of_the_alert(
        self, client: Client, operator: Any, alert: Alert
    ) -> None:
        again = make.face()
        Appearance.objects.create(
            alert=alert,
            watchlist=alert.watchlist,
            person=alert.person,
            face=again,
            photo=again.photo,
            seen_at=again.photo.created_at,
        )
        html = client.get(f"/alerts/{alert.pk}/").content.decode()
        assert f"/faces/{again.pk}/chip/" in html

    def test_says_that_two_people_look_alike(
        self, client: Client, operator: Any, alert: Alert
    ) -> None:
        Alert.objects.update(is_ambiguous=True)
        assert "look-alikes" in client.get(f"/alerts/{alert.pk}/").content.decode()

    @pytest.mark.parametrize("open_alerts", [1, 40])
    def test_costs_the_same_however_many_wait(
        self,
        client: Client,
        operator: object,
        alert: Alert,
        open_alerts: int,
        django_assert_num_queries: DjangoAssertNumQueries,
    ) -> None:
        raise_more(alert, open_alerts - 1)
        client.get("/alerts/")
        # Session, user, 2 × permissions; place, alert, position, version of the queue, known faces, further ones.
        with django_assert_num_queries(10):
            client.get("/alerts/")
        # One later, and its place kept: 3 more to store the session.
        later = Alert.objects.order_by("created_at").last()
        assert later is not None
        with django_assert_num_queries(9 + (3 if open_alerts > 1 else 0)):
            client.get(f"/alerts/{later.pk}/")
        # Session, user, 2 × permissions; place, the next one, alert, position, version, known faces, further ones.
        client.get(f"/alerts/{alert.pk}/")
        if open_alerts > 1:
            with django_assert_num_queries(11):
                client.get(f"/alerts/{alert.pk}/next/?part=card")

    def test_of_an_unknown_alert_is_not_found(self, client: Client, operator: object) -> None:
        for path in ("", "next/", "previous/"):
            assert client.get(f"/alerts/{uuid.uuid4()}/{path}").status_code == 404


class TestBlindness:
    def test_nothing_measured_is_in_the_page_of_an_open_alert(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        for part in ("", "?part=card", "?part=panel", "?part=position"):
            html = client.get(f"/alerts/{alert.pk}/{part}").content.decode()
            assert [number for number in NUMBERS if number in html] == []
            # The page of the photo names candidates with their distances.
            assert f'/photos/{alert.photo_id}/"' not in html

    def test_all_of_it_is_shown_after_the_answer(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        answer = client.post(
            f"/alerts/{alert.pk}/", {"status": "unsure", "version": 1}, follow=True
        )
        html = answer.content.decode()
        assert [number for number in NUMBERS if number not in html] == []
        rival = KnownFace.objects.get(person__name="Bob Rival")
        assert f"/api/v1/faces/{rival.face_id}/chip/" in html
        assert f'/photos/{alert.photo_id}/"' in html
        assert "You say: can't tell" in html

    def test_off_all_of_it_is_shown_from_the_start(
        self, client: Client, operator: object, alert: Alert, settings: Settings
    ) -> None:
        settings.BLIND_REVIEW = False
        html = client.get(f"/alerts/{alert.pk}/").content.decode()
        assert [number for number in NUMBERS if number not in html] == []

    def test_is_back_when_the_verdict_is_taken_back(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        decided(alert)
        answer = client.post(f"/alerts/{alert.pk}/", {"status": "open", "version": 2}, follow=True)
        html = answer.content.decode()
        assert "open again" in html
        assert [number for number in NUMBERS if number in html] == []

    def test_a_runner_up_is_somebody_else_than_the_one_merged(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        rival = type(make.whom(alert)).objects.get(name="Bob Rival")
        type(rival).objects.filter(pk=rival.pk).update(merged_into=alert.person)
        html = client.get(f"/alerts/{decided(alert).pk}/").content.decode()
        assert "nobody else came near" in html


class TestTheOrder:
    def test_the_oldest_comes_first_then_the_place_is_kept(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        second, third = raise_more(alert, 2)
        assert shown(client.get("/alerts/")) == str(alert.pk)
        assert shown(client.get(f"/alerts/{alert.pk}/next/", follow=True)) == str(second.pk)
        assert shown(client.get("/alerts/")) == str(second.pk)
        decided(second)
        assert shown(client.get("/alerts/")) == str(third.pk)

    def test_each_reviewer_has_a_place_of_their_own(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        (second,) = raise_more(alert, 1)
        client.get(f"/alerts/{second.pk}/")
        other = Client()
        other.force_login(make.user("olga", role="operator"))
        assert shown(other.get("/alerts/")) == str(alert.pk)
        assert shown(client.get("/alerts/")) == str(second.pk)

    def test_what_is_loaded_ahead_moves_nobodys_place(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        (second,) = raise_more(alert, 1)
        client.get("/alerts/")
        assert shown(client.get(f"/alerts/{alert.pk}/next/?part=card")) == str(second.pk)
        assert shown(client.get("/alerts/")) == str(alert.pk)
        client.get(f"/alerts/{second.pk}/?part=position")
        assert shown(client.get("/alerts/")) == str(second.pk)

    def test_where_one_is_and_how_many_wait_is_said(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        second, _ = raise_more(alert, 2)
        assert b"2 of 3 open" in client.get(f"/alerts/{second.pk}/").content
        decided(second)
        assert b"2 open" in client.get(f"/alerts/{second.pk}/").content

    def test_alone_it_has_neither_a_next_nor_a_previous(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        for way in ("next", "previous"):
            assert client.get(f"/alerts/{alert.pk}/{way}/?part=card").status_code == 204
            assert client.get(f"/alerts/{alert.pk}/{way}/").headers["Location"] == "/alerts/"

    def test_when_nothing_waits_the_page_says_so(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        decided(alert)
        answer = client.get("/alerts/")
        assert answer.status_code == 200
        assert b"Nothing waits for you" in answer.content


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "told"),
        [("confirmed", "confirmed"), ("dismissed", "dismissed"), ("unsure", "set aside")],
    )
    def test_are_stored_with_reason_and_reviewer(
        self, client: Client, operator: object, alert: Alert, status: str, told: str
    ) -> None:
        verdict = {"status": status, "reason": "Same scar", "version": alert.version}
        answer = client.post(f"/alerts/{alert.pk}/", verdict, follow=True)
        alert.refresh_from_db()
        assert (alert.status, alert.reason, alert.reviewed_by) == (status, "Same scar", operator)
        assert alert.reviewed_at is not None
        html = answer.content.decode()
        assert f"Possible sighting of Ada Example: {told}" in html
        assert "Same scar" in html

    def test_lead_straight_on_where_nothing_was_kept_back(
        self, client: Client, operator: object, alert: Alert, settings: Settings
    ) -> None:
        settings.BLIND_REVIEW = False
        (second,) = raise_more(alert, 1)
        answer = client.post(
            f"/alerts/{alert.pk}/", {"status": "confirmed", "version": 1}, follow=True
        )
        assert shown(answer) == str(second.pk)
        assert b"Ada Example: confirmed." in answer.content

    def test_a_dismissal_needs_a_reason(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        verdict = {"status": "dismissed", "reason": " ", "version": 1}
        answer = client.post(f"/alerts/{alert.pk}/", verdict)
        assert answer.status_code == 400
        assert b"choose a reason" in answer.content
        alert.refresh_from_db()
        assert alert.status == "open"

    def test_confirming_enrols_nobody(self, client: Client, operator: object, alert: Alert) -> None:
        before = KnownFace.objects.count()
        client.post(f"/alerts/{alert.pk}/", {"status": "confirmed", "version": 1})
        alert.refresh_from_db()
        assert alert.status == "confirmed"
        assert KnownFace.objects.count() == before
        assert not KnownFace.objects.filter(face=alert.face).exists()

    def test_taken_back_leave_no_reviewer(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        decided(alert, reason="A poster")
        client.post(f"/alerts/{alert.pk}/", {"status": "open", "version": 2})
        alert.refresh_from_db()
        assert (alert.status, alert.reason) == ("open", "")
        assert (alert.reviewed_by, alert.reviewed_at) == (None, None)

    def test_to_an_older_state_are_refused_and_it_is_told_who_decided_what(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        seen = alert.version
        decided(alert, reason="A poster")
        verdict = {"status": "confirmed", "reason": "It is her", "version": seen}
        answer = client.post(f"/alerts/{alert.pk}/", verdict)
        html = answer.content.decode()
        assert answer.status_code == 409
        assert "somebody else decided about it" in html
        assert "olga says: a different person" in html
        assert "A poster" in html
        assert f"{alert.reviewed_at:%Y-%m-%d %H:%M}" in html
        assert "It is her</textarea>" in html
        assert f'name="version" value="{seen + 1}"' in html
        alert.refresh_from_db()
        assert (alert.status, alert.reason) == ("dismissed", "A poster")

    @pytest.mark.parametrize(
        "verdict",
        [{}, {"status": "perhaps", "version": 1}, {"status": "confirmed", "version": "x"}],
    )
    def test_that_make_no_sense_store_nothing(
        self, client: Client, operator: object, alert: Alert, verdict: dict[str, object]
    ) -> None:
        assert client.post(f"/alerts/{alert.pk}/", verdict).status_code == 400
        alert.refresh_from_db()
        assert alert.status == "open"

    def test_of_who_may_only_look_are_neither_asked_for_nor_taken(
        self, client: Client, alert: Alert
    ) -> None:
        viewer = make.user("vera")
        viewer.user_permissions.add(*Permission.objects.filter(codename="view_alert"))
        client.force_login(viewer)
        for row in (alert, decided(raise_more(alert, 1)[0])):
            html = client.get(f"/alerts/{row.pk}/").content.decode()
            assert 'name="status"' not in html
            assert 'name="reason"' not in html
        verdict = {"status": "confirmed", "version": alert.version}
        assert client.post(f"/alerts/{alert.pk}/", verdict).status_code == 403

    def test_of_someone_who_is_gone_are_somebodys(
        self, client: Client, operator: object, alert: Alert
    ) -> None:
        Alert.objects.update(status="confirmed", reviewed_at=timezone.now())
        assert b"Somebody says: the same person" in client.get(f"/alerts/{alert.pk}/").content
