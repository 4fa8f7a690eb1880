"""The live stream of alerts: in order, from where a program left off, and for those alone who may see them."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from alerts import review, watch
from alerts.models import Alert
from facewatch import streams
from recognition.models import Person
from tests import make
from tests.api.conftest import problem

STREAM = "/api/v1/alerts/stream/"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Streams that look often, and are all closed afterwards."""
    monkeypatch.setattr(streams, "LOOK_SECONDS", 0.01)
    yield
    streams.close_all()


@pytest.fixture
def ada(db: None) -> Person:
    """A person who is watched."""
    person = make.person("Ada Example")
    make.watchlist(people=(person,), cooldown_seconds=0)
    return person


def raised(person: Person) -> Alert:
    """A fresh alert."""
    photo = make.sighting(person=person, face=make.face()).photo
    watch.raise_alerts(photo.pk)
    return Alert.objects.get(photo=photo)


def read(answer: Any, count: int) -> list[dict[str, str]]:
    """The next events of a stream, as their fields."""
    found: list[dict[str, str]] = []
    for chunk in answer.streaming_content:
        for block in chunk.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
            if "data" in fields:
                found.append(fields)
        if len(found) >= count:
            return list(islice(found, count))
    return found


def test_events_come_as_they_happen_with_number_kind_and_no_name(
    operator: APIClient, ada: Person
) -> None:
    raised(ada)
    answer = operator.get(STREAM)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    alert = raised(ada)
    (event,) = read(answer, 1)
    assert (event["id"], event["event"]) == ("2", "alert.raised")
    assert json.loads(event["data"])["data"]["id"] == str(alert.pk)
    assert "Ada" not in event["data"]


@pytest.mark.parametrize(
    "asked",
    [{"headers": {"Last-Event-ID": "1"}}, {"data": {"after": "1"}}],
    ids=["header", "query"],
)
def test_a_program_goes_on_after_the_last_event_that_it_read(
    operator: APIClient, ada: Person, asked: dict[str, Any]
) -> None:
    raised(ada)
    review.decide(raised(ada), status="confirmed", by=make.user(), version=1)
    events = read(operator.get(STREAM, **asked), 2)
    assert [(event["id"], event["event"]) for event in events] == [
        ("2", "alert.raised"),
        ("3", "alert.reviewed"),
    ]


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "١"])
def test_a_number_that_is_none_is_refused(operator: APIClient, number: str) -> None:
    problem(operator.get(STREAM, {"after": number}), 400, "validation")


def test_who_comes_again_before_an_event_was_read_misses_nothing(
    operator: APIClient, ada: Person
) -> None:
    raised(ada)
    answer: Any = operator.get(STREAM)
    begun = b"".join(islice(answer.streaming_content, 2)).decode()
    assert "id: 1\n\n" in begun
    raised(ada)
    (event,) = read(operator.get(STREAM, headers={"Last-Event-ID": "1"}), 1)
    assert event["id"] == "2"


def test_who_is_ahead_of_what_there_is_is_told_so(operator: APIClient, ada: Person) -> None:
    raised(ada)
    answer = operator.get(STREAM, headers={"Last-Event-ID": "70"})
    raised(ada)
    reset, event = read(answer, 2)
    assert (reset["id"], reset["event"]) == ("1", "stream.reset")
    assert (event["id"], event["event"]) == ("2", "alert.raised")


def test_who_may_not_see_alerts_hears_nothing(uploader: APIClient, db: None) -> None:
    problem(uploader.get(STREAM), 403, "permission_denied")
    problem(APIClient().get(STREAM), 401, "not_authenticated")


def test_it_ends_when_the_right_to_see_alerts_is_taken_away(
    operator: APIClient, ada: Person
) -> None:
    answer = operator.get(STREAM)
    get_user_model().objects.update(is_active=False)
    raised(ada)
    assert read(answer, 1) == []


def test_none_is_opened_once_the_server_is_told_to_end(
    operator: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    monkeypatch.setattr(streams, "_ending", told)
    assert operator.get(STREAM).status_code == 200
    told.set()
    problem(operator.get(STREAM), 503, "too_many_streams")


def test_too_many_are_refused_with_a_time_to_come_again(
    client_of: Callable[[str], APIClient],
) -> None:
    client = client_of("operator")
    for _ in range(streams.MOST_OF_ONE):
        assert client.get(STREAM).status_code == 200
    answer = client.get(STREAM)
    problem(answer, 503, "too_many_streams")
    assert answer["Retry-After"] == "10"
