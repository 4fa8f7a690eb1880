"""A key of the sender's own: what is sent again under it is stored once."""

import threading
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from recognition.models import Photo
from tests.api.conftest import picture, problem

URL = "/api/v1/photos/"


def send(client: APIClient, key: str, *, color: str = "teal") -> Any:
    return client.post(URL, {"image": picture(color=color)}, headers={"Idempotency-Key": key})


def test_a_photo_sent_again_under_its_key_is_the_first(uploader: APIClient) -> None:
    first, again = send(uploader, '"k1"'), send(uploader, '"k1"')
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    assert Photo.objects.get().idempotency_key == "k1"


def test_a_key_may_stand_without_its_quotes(uploader: APIClient) -> None:
    assert send(uploader, "k1").json()["id"] == send(uploader, '"k1"').json()["id"]


def test_another_photo_under_a_key_is_refused_and_not_stored(uploader: APIClient) -> None:
    send(uploader, '"k1"')
    answer = problem(send(uploader, '"k1"', color="red"), 422, "idempotency_key_reused")
    assert "new key" in answer["detail"]
    assert Photo.objects.count() == 1


def test_two_owners_may_use_the_same_key(uploader: APIClient, operator: APIClient) -> None:
    answers = [
        send(client, '"k1"', color=("teal", "red")[number])
        for number, client in enumerate((uploader, operator))
    ]
    assert [answer.status_code for answer in answers] == [202, 202]


def test_a_photo_that_was_there_before_keeps_no_new_key(uploader: APIClient) -> None:
    first = uploader.post(URL, {"image": picture()}).json()
    assert send(uploader, '"k1"').json()["id"] == first["id"]
    # The key is still free, because nothing was stored under it.
    assert send(uploader, '"k1"', color="red").status_code == 202


@pytest.mark.parametrize("key", ["", '""', "k" * 256, "a\tb"])
def test_a_senseless_key_is_refused(uploader: APIClient, key: str) -> None:
    answer = problem(send(uploader, key), 400, "validation")
    assert list(answer["errors"]) == ["Idempotency-Key"]
    assert not Photo.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_under_one_key_one_is_stored(uploader: APIClient) -> None:
    token = vars(uploader)["_credentials"]["HTTP_AUTHORIZATION"]
    answers: list[Any] = []

    def upload(color: str) -> None:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=token)
        answers.append(send(client, '"k1"', color=color))
        connection.close()

    threads = [
        threading.Thread(target=upload, args=(("teal", "red")[number % 2],)) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 200, 202, 422, 422, 422, 422]
    assert Photo.objects.count() == 1
