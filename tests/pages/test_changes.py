"""What keeps open pages fresh: versions of topics, as an answer and as a stream."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from alerts.models import Alert
from facewatch import live, streams
from recognition.models import Photo
from tests import make


def ask(client: Client, *topics: str, **headers: str) -> Any:
    return client.get("/changes/", {"topic": topics}, headers=headers)


@pytest.fixture
def opened() -> Iterator[Callable[..., Any]]:
    """Opens streams of nothing, and closes them."""
    found: list[streams.Stream] = []

    def open_stream(*, owner: object = 1, page: str = "") -> streams.Stream | None:
        stream = streams.open_stream(dict, owner=owner, page=page or uuid.uuid4().hex)
        if stream:
            found.append(stream)
        return stream

    yield open_stream
    for stream in found:
        stream.close()


def test_a_stranger_hears_nothing(client: Client, db: None) -> None:
    assert ask(client, "queue").status_code == 401


def test_the_version_of_a_photo_changes_with_its_stage(client: Client, uploader: object) -> None:
    photo = make.photo(owner=uploader, stage="uploaded")
    topic = f"photo:{photo.pk}"
    assert ask(client, topic).json() == {topic: photo.version}
    Photo.objects.update(stage="detected")
    assert ask(client, topic).json() != {topic: photo.version}


def test_somebody_elses_photo_and_alerts_look_as_if_they_were_gone(
    client: Client, uploader: object
) -> None:
    face = make.face()
    person = make.person()
    alert = make.alert(watchlist=make.watchlist(), person=person, face=face)
    topics = [f"photo:{face.photo_id}", f"alert:{alert.pk}", f"person:{person.pk}", "alerts"]
    assert ask(client, *topics).json() == dict.fromkeys(topics, "gone")


def test_the_version_of_an_alert_counts_its_verdicts(client: Client, operator: object) -> None:
    alert = make.alert(watchlist=make.watchlist(), person=make.person())
    before = ask(client, f"alert:{alert.pk}", "alerts").json()
    assert before[f"alert:{alert.pk}"] == "1"
    Alert.objects.update(status="dismissed", reviewed_at=timezone.now(), version=2)
    after = ask(client, f"alert:{alert.pk}", "alerts").json()
    assert after[f"alert:{alert.pk}"] == "2"
    assert after["alerts"] != before["alerts"]


def test_the_version_of_a_person_changes_with_a_photo_in_work_and_a_known_face(
    client: Client, operator: object
) -> None:
    person = make.person()
    seen = {ask(client, f"person:{person.pk}").content}
    photo = make.photo(purpose="enrolment", person=person, stage="uploaded")
    seen.add(ask(client, f"person:{person.pk}").content)
    Photo.objects.filter(pk=photo.pk).update(stage="failed")
    seen.add(ask(client, f"person:{person.pk}").content)
    make.known_face(person)
    seen.add(ask(client, f"person:{person.pk}").content)
    assert len(seen) == 4


def test_the_version_of_the_queue_changes_with_work_and_not_with_time(
    client: Client, operator: object
) -> None:
    make.photo(stage="uploaded")
    before = ask(client, "queue").json()
    assert ask(client, "queue").json() == before
    make.photo(stage="uploaded")
    assert ask(client, "queue").json() != before


def test_a_new_upload_changes_the_version_of_the_list(client: Client, uploader: object) -> None:
    before = ask(client, "photos").json()
    make.photo()
    assert ask(client, "photos").json() == before
    make.photo(owner=uploader)
    assert ask(client, "photos").json() != before


def test_an_answer_that_is_known_is_not_sent_again(client: Client, uploader: object) -> None:
    photo = make.photo(owner=uploader, stage="uploaded")
    topic = f"photo:{photo.pk}"
    etag = ask(client, topic)["ETag"]
    again = ask(client, topic, **{"If-None-Match": etag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", etag)
    Photo.objects.update(stage="done")
    assert ask(client, topic, **{"If-None-Match": etag}).status_code == 200


def test_senseless_topics_are_passed_over(client: Client, uploader: object) -> None:
    key = str(uuid.uuid4())
    senseless = ("", "photo", f"photos:{key}", "photo:1", f"photo:{key.upper()}", f"user:{key}")
    assert ask(client, *senseless).json() == {}


def test_a_page_follows_so_many_topics_and_no_more() -> None:
    topics = [f"photo:{uuid.uuid4()}" for _ in range(live.MOST_TOPICS + 5)]
    assert live.known_topics(topics + topics) == topics[: live.MOST_TOPICS]


def test_many_topics_cost_a_few_queries_a_kind(
    client: Client, operator: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    people = [make.person(str(number)) for number in range(4)]
    rows = [make.photo(stage="uploaded") for _ in range(4)]
    topics = [*(f"photo:{row.pk}" for row in rows), *(f"person:{one.pk}" for one in people)]
    # Session, user, 2 x permissions; photos, merged, enrolments, known faces.
    with django_assert_num_queries(8):
        assert len(ask(client, *topics).json()) == 8


def test_a_stream_sends_all_versions_first_and_then_those_that_changed(
    client: Client, uploader: object
) -> None:
    photo, other = (make.photo(owner=uploader, stage="uploaded") for _ in range(2))
    topics = [f"photo:{photo.pk}", f"photo:{other.pk}"]
    answer = ask(client, *topics, Accept="text/event-stream")
    assert answer["Content-Type"] == "text/event-stream"
    events = iter(answer)
    assert next(events).startswith(b"retry: ")
    assert set(json.loads(next(events).removeprefix(b"data: "))) == set(topics)
    Photo.objects.filter(pk=photo.pk).update(stage="done")
    assert json.loads(next(events).removeprefix(b"data: ")) == {topics[0]: "done:"}
    assert streams.count() == 1
    answer.close()
    assert streams.count() == 0


def test_a_stream_ends_with_the_session(client: Client, uploader: object) -> None:
    answer = ask(client, "photos", Accept="text/event-stream")
    events = iter(answer)
    assert [next(events), next(events)]
    client.session.flush()
    assert list(events) == []
    assert streams.count() == 0


def test_beyond_the_places_a_stream_is_refused_and_one_that_ends_makes_room(
    client: Client, uploader: object, opened: Callable[..., Any]
) -> None:
    held = [opened(owner=number) for number in range(streams.MOST_STREAMS)]
    refused = ask(client, "photos", Accept="text/event-stream")
    assert (refused.status_code, refused.content) == (204, b"")
    held[0].close()
    held[0].close()
    answer = ask(client, "photos", Accept="text/event-stream")
    assert answer.status_code == 200
    answer.close()


def test_one_user_cannot_take_all_places(opened: Callable[..., Any]) -> None:
    for _ in range(streams.MOST_OF_ONE):
        assert opened(owner=1) is not None
    assert opened(owner=1) is None
    assert opened(owner=2) is not None


def test_the_stream_of_a_page_takes_the_place_of_its_older_one(opened: Callable[..., Any]) -> None:
    older = opened(page="a")
    newer = opened(page="a")
    assert streams.count() == 1
    assert list(older)[1:] == []
    older.close()
    assert streams.count() == 1
    newer.close()
    assert streams.count() == 0


def test_a_stream_whose_look_fails_gives_its_place_back() -> None:
    def fail() -> dict[str, str]:
        raise OSError("gone")

    stream = streams.open_stream(fail, owner=1, page="a")
    assert stream is not None
    next(stream)
    with pytest.raises(OSError, match="gone"):
        next(stream)
    assert streams.count() == 0
