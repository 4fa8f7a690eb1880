"""Leaving by the link of a mail: without signing in, with one click, and never by looking."""

import pytest
from django.test import Client
from django.urls import reverse

from alerts import unsubscribing
from alerts.models import Delivery, Digest, Subscription
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def address() -> str:
    """The path in the header of a mail to one of two subscribers."""
    person = make.person()
    watchlist = make.watchlist("Lobby", people=(person,))
    subscription = make.subscription(watchlist)
    make.subscription(watchlist, target="other@example.org")
    row = Delivery.objects.create(
        alert=make.alert(watchlist=watchlist, person=person),
        subscription=subscription,
        channel="email",
        target=subscription.target,
        mode="instant",
        stage="sent",
    )
    return reverse("alerts:unsubscribe", args=[unsubscribing.token(row.pk, is_digest=False)])


def test_one_post_without_a_cookie_ends_it_and_nobody_elses(address: str) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(address, {"List-Unsubscribe": "One-Click"})
    assert answer.status_code == 200
    ended = Subscription.objects.get(target="ops@example.org")
    assert (ended.is_active, ended.ended_because) == (False, "The recipient unsubscribed.")
    assert Subscription.objects.get(target="other@example.org").is_active


def test_looking_at_it_ends_nothing(address: str) -> None:
    answer = Client().get(address)
    assert "Lobby" in answer.content.decode()
    assert Subscription.objects.filter(is_active=True).count() == 2


def test_a_second_click_says_the_same(address: str) -> None:
    client = Client()
    assert client.post(address).content == client.post(address).content


@pytest.mark.parametrize("change", ["x", "0"])
def test_an_address_that_nobody_signed_is_a_404(address: str, change: str) -> None:
    assert Client().post(address.rstrip("/") + change + "/").status_code == 404
    assert Subscription.objects.filter(is_active=True).count() == 2


def test_a_digest_names_all_its_recipients_subscriptions_of_that_mode() -> None:
    for name in ("Lobby", "Gate"):
        make.subscription(make.watchlist(name), mode="daily", target="ops@example.org")
    make.subscription(make.watchlist("Dock"), mode="hourly", target="ops@example.org")
    digest = Digest.objects.create(
        recipient="ops@example.org",
        mode="daily",
        stage="sent",
        window_start="2026-01-01T00:00Z",
        window_end="2026-01-02T00:00Z",
    )
    token = unsubscribing.token(digest.pk, is_digest=True)
    assert unsubscribing.leave(unsubscribing.subscriptions_of(token)) == 2
    assert Subscription.objects.get(is_active=True).mode == "hourly"


def test_a_digest_from_before_the_mode_was_changed_ends_what_it_became() -> None:
    row = make.subscription(make.watchlist(), mode="hourly", target="ops@example.org")
    digest = Digest.objects.create(
        recipient="ops@example.org",
        mode="daily",
        stage="sent",
        window_start="2026-01-01T00:00Z",
        window_end="2026-01-02T00:00Z",
    )
    address = reverse("alerts:unsubscribe", args=[unsubscribing.token(digest.pk, is_digest=True)])
    Client().post(address, {"List-Unsubscribe": "One-Click"})
    row.refresh_from_db()
    assert not row.is_active
