"""What a person's page says of the search of stored photos, and offers."""

from typing import Any

import numpy as np
import pytest
from django.test import Client

from recognition import lookback
from recognition.models import LookBack, Person
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> Person:
    """Somebody who is known, with stored photos to look through."""
    person = make.person("Ada Example")
    make.known_face(person, vector=np.ones(128, np.float32))
    make.face()
    return person


@pytest.fixture
def manager(client: Client) -> Any:
    """The signed-in manager."""
    user = make.user("mona", role="manager")
    client.force_login(user)
    return user


def page(client: Client, person: Person) -> str:
    return client.get(f"/people/{person.pk}/").content.decode()


def looking(person: Person, **fields: Any) -> LookBack:
    """A search with these facts."""
    look = lookback.request(person, why="enrolled")
    assert look
    LookBack.objects.update(**fields)
    return look


def test_its_progress_is_told_with_a_way_to_cancel_it(
    client: Client, manager: Any, ada: Person
) -> None:
    look = looking(ada, begun_at="2026-01-01T00:00Z", total=200, looked_at=86, found=2)
    html = page(client, ada)
    assert "Looking through stored photos: 43 %" in html
    assert "2 possible sightings so far" in html
    client.post(f"/people/look-backs/{look.pk}/stop/")
    assert LookBack.objects.get().stage == "stopped"
    assert "Cancelled after 86 stored faces" in page(client, ada)


def test_its_end_is_told_with_a_way_to_do_it_again(
    client: Client, manager: Any, ada: Person
) -> None:
    looking(ada, stage="done", looked_at=12345, found=3, finished_at="2026-01-01T00:00Z")
    html = page(client, ada)
    assert "Looked through 12345 stored faces" in html
    assert "3 possible sightings" in html
    client.post(f"/people/{ada.pk}/look-back/")
    assert LookBack.objects.get(stage="waiting").why == "asked"


def test_where_there_is_nothing_to_look_through_it_says_so(client: Client, manager: Any) -> None:
    bob = make.person("Bob Example")
    answer = client.post(f"/people/{bob.pk}/look-back/", follow=True)
    assert "no face by which Bob Example is known" in answer.content.decode()


def test_an_operator_sees_it_and_changes_nothing(
    client: Client, operator: Any, ada: Person
) -> None:
    look = looking(ada)
    assert "Cancel" not in page(client, ada)
    assert client.post(f"/people/look-backs/{look.pk}/stop/").status_code == 403
    assert client.post(f"/people/{ada.pk}/look-back/").status_code == 403
    assert client.get(f"/people/{ada.pk}/look-back/").status_code == 200


def test_its_part_is_taken_anew_as_it_goes_on(client: Client, operator: Any, ada: Person) -> None:
    topic = f"look_back:{ada.pk}"

    def version() -> str:
        return str(client.get("/changes/", {"topic": topic}).json()[topic])

    before = version()
    looking(ada, total=10)
    begun = version()
    LookBack.objects.update(looked_at=5)
    assert len({before, begun, version()}) == 3
