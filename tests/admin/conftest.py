"""The admin as staff meets it: signed in, with the style sheets that a deployment serves."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from demo import photos as demo_photos
from tests import make


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings) -> None:
    """Static files by their plain names: the hashed ones exist only after collectstatic."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture
def manager(db: None, client: Client) -> Any:
    """Someone of the staff in the role of a manager, signed in at `client`."""
    user = make.user("mona", role="manager", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def operator(db: None, client: Client) -> Any:
    """Someone of the staff in the role of an operator, signed in at `client`."""
    user = make.user("otto", role="operator", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def demo_file(photos_folder: Any) -> Callable[[str], SimpleUploadedFile]:
    """Return a maker of uploads of the demo's photos, by name."""
    return lambda name: SimpleUploadedFile(name, demo_photos.path(name).read_bytes())


def told(response: Any) -> list[str]:
    """Return the messages that the next page will show."""
    return [str(message) for message in get_messages(response.wsgi_request)]
