from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from facewatch.problems import server_error
from ledger.models import Worker
from recognition.models import GalleryAudit
from tests import make


@pytest.mark.django_db
def test_strangers_are_asked_to_sign_in_and_sent_back_after(client: Client) -> None:
    make.user("uma", role="uploader")
    answer = client.get("/photos/", follow=True)
    assert answer.redirect_chain == [("/login/?next=/photos/", 302)]
    signed_in = {"username": "uma", "password": "open sesame 42", "next": "/photos/"}
    assert client.post("/login/", signed_in).headers["Location"] == "/photos/"


@pytest.mark.django_db
def test_a_wrong_password_is_told_and_opens_nothing(client: Client) -> None:
    make.user("uma")
    answer = client.post("/login/", {"username": "uma", "password": "wrong"})
    assert b"Please enter a correct username and password" in answer.content
    assert client.get("/").status_code == 302


def test_signing_out_needs_a_post(client: Client, uploader: object) -> None:
    assert client.get("/logout/").status_code == 405
    assert client.get("/").status_code == 200
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


def test_operators_see_what_waits_for_review(client: Client, operator: object) -> None:
    watchlist, person = make.watchlist(), make.person("Ada Example")
    alert = make.alert(watchlist=watchlist, person=person)
    make.alert(watchlist=watchlist, person=person, status="confirmed", reviewed_at=timezone.now())
    answer = client.get("/")
    assert answer.context["waiting_alerts"] == 1
    assert list(answer.context["alerts"]) == [alert]
    assert b"Ada Example" in answer.content


def test_uploaders_see_their_own_photos_and_no_alerts(client: Client, uploader: object) -> None:
    mine = make.photo(owner=uploader)
    make.alert(watchlist=make.watchlist(), person=make.person())
    answer = client.get("/")
    assert [view.photo for view in answer.context["views"]] == [mine]
    assert "alerts" not in answer.context
    assert b"/alerts/" not in answer.content


def test_the_front_page_says_whether_anybody_works(client: Client, uploader: object) -> None:
    make.photo(owner=uploader, stage="uploaded")
    assert b"No worker is alive" in client.get("/").content
    now = timezone.now()
    Worker.objects.create(name="host-1", engine="dlib", started_at=now, seen_at=now)
    answer = client.get("/")
    assert b"1 worker is alive" in answer.content
    assert answer.context["in_queue"] == 1


def test_the_front_page_counts_what_came_in(client: Client, uploader: object) -> None:
    now = timezone.now()
    for hours in (0, 2, 30):
        make.photo(owner=uploader, created_at=now - timedelta(hours=hours))
    make.photo()
    context = client.get("/").context
    assert (context["came_in_day"], context["came_in_hour"]) == (2, 1)


def test_the_front_page_follows_what_it_shows(client: Client, operator: object) -> None:
    html = client.get("/").content.decode()
    topics = ["alerts", "photos", "queue"]
    answer = client.get("/changes/", {"topic": topics}).json()
    for topic in topics:
        assert f'data-live="{topic}" data-version="{answer[topic]}"' in html


def test_a_part_that_is_taken_anew_costs_nothing_of_the_others(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make.alert(watchlist=make.watchlist(), person=make.person())
    # Session, user, 2 × permissions; 3 × alerts.
    with django_assert_num_queries(7):
        html = client.get("/?part=alerts").content.decode()
    assert 'id="latest-alerts"' in html
    assert "/alerts/" in html


def test_only_staff_is_led_to_the_admin(client: Client, uploader: object) -> None:
    assert b"/admin/" not in client.get("/").content
    client.force_login(make.user("sam", is_staff=True))
    assert b"/admin/" in client.get("/").content


def test_the_front_page_costs_the_same_for_many_rows(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    watchlist = make.watchlist()
    for number in range(4):
        person = make.person(f"Person {number}")
        make.known_face(person)
        face = make.face()
        make.sighting(person=person, face=face)
        make.alert(watchlist=watchlist, person=person, face=face)
    # Session, user, 2 × permissions; 3 × alerts; photos, faces, sightings, 2 × counts; workers; 4 × the queue; the rest
    # is the version of the queue.
    with django_assert_num_queries(41):
        assert client.get("/").status_code == 200


def test_pages_that_are_not_there_are_ours(client: Client, uploader: object) -> None:
    answer = client.get("/nothing/here/")
    assert answer.status_code == 404
    assert b"There is no such page" in answer.content
    assert b"Sign out" in answer.content


def test_a_form_without_its_token_is_refused_with_advice(uploader: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(uploader)
    answer = strict.post("/logout/")
    assert answer.status_code == 403
    assert b"This form is too old" in answer.content


def test_the_page_of_a_failure_needs_neither_user_nor_database() -> None:
    answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500
    assert b"Something broke on our side" in answer.content


@pytest.mark.django_db
def test_that_people_may_not_be_found_is_said_until_an_audit_passes(
    client: Client, operator: Any
) -> None:
    facts = {"engine": settings.ENGINE, "faces": 9, "low": 0.1, "high": 0.5, "held": "exact"}
    GalleryAudit.objects.create(probes=1000, agreed=700, is_passed=False, **facts)
    page = client.get("/").content.decode()
    assert "300 of 1000 probes" in page
    assert "Restart the workers" in page
    GalleryAudit.objects.create(probes=1000, agreed=1000, is_passed=True, **facts)
    assert "probes" not in client.get("/").content.decode()
