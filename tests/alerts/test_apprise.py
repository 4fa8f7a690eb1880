"""Apprise: off by default, for staff and allowed schemes alone, one short message."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from alerts import deliveries, targets, watch
from alerts.models import Delivery
from tests import make
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A service, to which Apprise speaks JSON."""
    with receiving() as one:
        one.status = 200
        yield one


def told(target: str) -> Delivery:
    """The delivery of an alert to a target, after one try."""
    person = make.person("Ada Example")
    make.subscription(make.watchlist(people=(person,)), channel="apprise", target=target)
    watch.raise_alerts(make.sighting(person=person, face=make.face()).photo_id)
    delivery = Delivery.objects.get()
    deliveries.deliver(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def test_a_service_gets_a_short_message_with_a_link(receiver: Receiver, settings: Settings) -> None:
    settings.APPRISE_SCHEMES = ["json"]
    assert told(f"json://127.0.0.1:{receiver.port}/").stage == "sent"
    ((_, content),) = receiver.got
    assert b"Possible sighting of Ada Example" in content
    assert f"/alerts/{Delivery.objects.get().alert_id}/".encode() in content


@pytest.mark.parametrize("schemes", [[], ["tgram"]], ids=["off", "another"])
def test_a_scheme_that_is_not_allowed_is_not_spoken(
    receiver: Receiver, settings: Settings, schemes: list[str]
) -> None:
    settings.APPRISE_SCHEMES = schemes
    delivery = told(f"json://127.0.0.1:{receiver.port}/")
    assert (delivery.stage, delivery.error_code) == ("failed", "scheme_not_allowed")
    assert receiver.got == []


def test_what_a_service_did_not_say_that_it_took_is_for_staff_to_send_again(
    receiver: Receiver, settings: Settings
) -> None:
    settings.APPRISE_SCHEMES = ["json"]
    receiver.status = 500
    delivery = told(f"json://127.0.0.1:{receiver.port}/")
    assert (delivery.stage, delivery.error_code) == ("unknown", "not_taken")


@pytest.mark.parametrize("between", [", ", " ", ",", "\n"], ids=repr)
def test_a_second_url_behind_an_allowed_one_is_refused(
    receiver: Receiver, settings: Settings, between: str
) -> None:
    settings.APPRISE_SCHEMES = ["tgram"]
    target = f"tgram://123456789:abcdefg_hijklmnop/123{between}json://127.0.0.1:{receiver.port}/"
    with pytest.raises(ValidationError):
        targets.check("apprise", target, mode="instant")
    delivery = told(target)
    assert (delivery.stage, delivery.error_code) == ("failed", "bad_address")
    assert receiver.got == []


def test_a_url_that_stands_for_several_is_refused(settings: Settings) -> None:
    settings.APPRISE_SCHEMES = ["tgram"]
    delivery = told("tgram://123456789:abcdefg_hijklmnop/111/222")
    assert (delivery.stage, delivery.error_code) == ("failed", "many_targets")


def test_what_apprise_cannot_make_sense_of_failed(settings: Settings) -> None:
    settings.APPRISE_SCHEMES = ["tgram"]
    delivery = told("tgram://")
    assert (delivery.stage, delivery.error_code) == ("failed", "bad_address")
