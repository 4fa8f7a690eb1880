"""Getting, using and revoking tokens."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from tests import make
from tests.api.conftest import problem, token_client

URL, PHOTOS = "/api/v1/token/", "/api/v1/photos/"
RIGHT = {"username": "uma", "password": "open sesame 42"}


def test_a_password_gets_a_token_that_expires(db: None) -> None:
    make.user()
    body = APIClient().post(URL, RIGHT, format="json").json()
    days = (datetime.fromisoformat(body["expiry"]) - timezone.now()) / timedelta(days=1)
    assert 29 < days <= 30
    client = APIClient(headers={"Authorization": f"Token {body['token']}"})
    assert client.get(PHOTOS).status_code == 200


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"username": "nobody"}])
def test_wrong_credentials_get_none(db: None, wrong: dict[str, str]) -> None:
    make.user()
    answer = APIClient().post(URL, RIGHT | wrong, format="json")
    problem(answer, 401, "authentication_failed")
    assert answer["WWW-Authenticate"] == "Token"


def test_an_inactive_user_gets_none(db: None) -> None:
    make.user(is_active=False)
    problem(APIClient().post(URL, RIGHT, format="json"), 401, "authentication_failed")


def test_guessing_is_slowed_down_whatever_address_is_claimed(db: None) -> None:
    answers = [
        APIClient().post(
            URL, RIGHT, format="json", headers={"X-Forwarded-For": f"192.0.2.{number}"}
        )
        for number in range(6)
    ]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    problem(answers[-1], 429, "throttled")
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_a_token_revokes_itself_alone(db: None) -> None:
    user = make.user()
    one, other = token_client(user), token_client(user)
    assert one.delete(URL).status_code == 204
    problem(one.get(PHOTOS), 401, "authentication_failed")
    assert other.get(PHOTOS).status_code == 200


def test_a_session_is_no_token(db: None) -> None:
    client = APIClient()
    client.force_login(make.user())
    problem(client.delete(URL), 409, "no_token")


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token nonsense", f"Token {'ab' * 32}"])
def test_a_wrong_token_is_a_401(db: None, header: str) -> None:
    answer = APIClient(headers={"Authorization": header}).get(PHOTOS)
    problem(answer, 401, "authentication_failed")
    assert answer["WWW-Authenticate"] == "Token"


def test_no_token_is_a_401(db: None) -> None:
    answer = APIClient().get(PHOTOS)
    problem(answer, 401, "not_authenticated")
    assert answer["WWW-Authenticate"] == "Token"


def test_an_expired_token_and_one_of_an_inactive_user_are_a_401(db: None) -> None:
    user = make.user()
    client = token_client(user)
    AuthToken.objects.update(expiry=timezone.now() - timedelta(seconds=1))
    problem(client.get(PHOTOS), 401, "authentication_failed")
    client = token_client(user)
    user.is_active = False
    user.save()
    problem(client.get(PHOTOS), 401, "authentication_failed")


def test_tokens_are_kept_as_digests(db: None) -> None:
    _, token = AuthToken.objects.create(user=make.user())
    assert token not in [*AuthToken.objects.values_list("digest", flat=True)]


def test_a_session_signs_in_as_well(db: None) -> None:
    client = APIClient()
    client.force_login(make.user())
    assert client.get(PHOTOS).status_code == 200
