"""Clients of the API: each signed in by a token of its own, or by a session."""

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.cache import cache
from knox.models import AuthToken
from PIL import Image
from rest_framework.test import APIClient

from ledger import queues
from tests import make


def picture(
    *, color: str = "teal", size: tuple[int, int] = (40, 30), form: str = "JPEG"
) -> BytesIO:
    """A small picture of one colour, as a file to upload."""
    file = BytesIO()
    Image.new("RGB", size, color).save(file, form)
    file.seek(0)
    file.name = f"{color}.{form.lower()}"
    return file


def token_client(user: Any) -> APIClient:
    """A client that sends a token of the user's."""
    client = APIClient()
    _, token = AuthToken.objects.create(user=user)
    client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    return client


def user_of(client: APIClient) -> Any:
    """The user whose token the client sends."""
    key = vars(client)["_credentials"]["HTTP_AUTHORIZATION"].split()[1][:15]
    return AuthToken.objects.get(token_key=key).user


class UnreadableBody:
    """A request's body that notices whether it is read."""

    read_from = False

    def read(self, size: int = -1) -> bytes:
        self.read_from = True
        return b""

    readline = read


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that must be a whole problem with this status and code."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code"} <= set(body)
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["detail"]
    return body


@pytest.fixture(autouse=True)
def clean(settings: Any) -> Iterator[None]:
    """No wake-ups and no throttled addresses of an earlier test; static files as they lie in the packages."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
    queues.huey.flush()
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def client_of(db: None) -> Callable[[str], APIClient]:
    """Make a client for a user with a role, named like it; "" for none; "root" for a superuser."""

    def client(role: str, name: str = "") -> APIClient:
        if role == "root":
            return token_client(make.user(name or "root", is_superuser=True))
        return token_client(make.user(name or role or "nobody", role=role))

    return client


@pytest.fixture
def uploader(client_of: Callable[[str], APIClient]) -> APIClient:
    """Somebody who may upload photos and see their own."""
    return client_of("uploader")


@pytest.fixture
def operator(client_of: Callable[[str], APIClient]) -> APIClient:
    """Somebody who watches."""
    return client_of("operator")


@pytest.fixture
def manager(client_of: Callable[[str], APIClient]) -> APIClient:
    """Somebody who manages people and lists."""
    return client_of("manager")
