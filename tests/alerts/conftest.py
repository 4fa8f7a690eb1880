"""The servers that take what is sent, and somebody to watch for."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from recognition.models import Person
from tests import make
from tests.mailbox import Mailbox
from tests.receiver import Receiver, receiving


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """A server that accepts every mail, unless it is told otherwise; the settings name it."""
    box = Mailbox().start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_PORT = box.controller.port
    settings.EMAIL_TIMEOUT = 0.5
    yield box
    box.stop()


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """A program that receives, on a network that the settings allow."""
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    settings.BASE_URL = "https://faces.example.org"
    with receiving() as one:
        yield one


@pytest.fixture
def ada() -> Person:
    """Somebody without known faces."""
    return make.person("Ada Example")
