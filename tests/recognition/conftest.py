"""A listener, as the alerts have one."""

from collections.abc import Iterator
from typing import Any

import pytest

from recognition.events import photo_recognised


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    """The photos that a listener heard of."""
    ids: list[Any] = []

    def listen(sender: object, photo_id: Any, **_: object) -> None:
        ids.append(photo_id)

    photo_recognised.connect(listen)
    yield ids
    photo_recognised.disconnect(listen)
