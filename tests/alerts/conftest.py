"""The mail server of the tests."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.mailbox import Mailbox


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
