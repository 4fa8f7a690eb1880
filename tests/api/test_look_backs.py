"""Searches of stored photos over the API."""

import numpy as np
import pytest
from rest_framework.test import APIClient

from recognition.models import Person
from tests import make
from tests.api.conftest import problem

pytestmark = pytest.mark.django_db

LOOKS = "/api/v1/look-backs/"


@pytest.fixture
def ada() -> Person:
    """Somebody who is known, with stored photos to look through."""
    person = make.person("Ada Example")
    make.known_face(person, vector=np.ones(128, np.float32))
    make.face()
    return person


def test_one_is_started_followed_and_stopped(manager: APIClient, ada: Person) -> None:
    answer = manager.post(LOOKS, {"person": str(ada.pk)}, format="json")
    assert answer.status_code == 202
    look = answer.json()
    assert (look["stage"], look["why"], look["percent"]) == ("waiting", "asked", 0)
    assert manager.post(LOOKS, {"person": str(ada.pk)}, format="json").json() == look
    (row,) = manager.get(LOOKS, {"person": str(ada.pk), "stage": "waiting"}).json()["results"]
    assert row == look
    stopped = manager.post(f"{LOOKS}{look['id']}/stop/").json()
    assert stopped["stage"] == "stopped"
    problem(manager.post(f"{LOOKS}{look['id']}/stop/"), 409, "has_ended")


def test_where_there_is_nothing_to_look_through_it_is_refused(manager: APIClient) -> None:
    bob = make.person("Bob")
    answer = manager.post(LOOKS, {"person": str(bob.pk)}, format="json")
    problem(answer, 409, "nothing_to_look_through")
    assert list(problem(manager.post(LOOKS, {}, format="json"), 400, "validation")["errors"]) == [
        "person"
    ]


def test_operators_follow_and_start_none(operator: APIClient, ada: Person) -> None:
    assert operator.get(LOOKS).status_code == 200
    problem(operator.post(LOOKS, {"person": str(ada.pk)}, format="json"), 403, "permission_denied")
