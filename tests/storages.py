"""Storages of the tests' own: a data folder, a shared folder, and a part of a bucket in a real S3."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest
from pytest_django import Settings

from facewatch import object_storage, storage_address
from tests.s3_server import S3Server

#: Takes the address of a storage for the photos'.
Use: TypeAlias = Callable[[str], None]
#: Seconds that a test waits for a server that hangs, instead of 10.
IMPATIENCE = 0.5


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """The S3 of this process of the tests."""
    with S3Server() as server:
        yield server


@contextmanager
def hung(server: S3Server) -> Iterator[None]:
    """Within, a server accepts connections and answers none."""
    server.hang()
    try:
        yield
    finally:
        server.go_on()


@pytest.fixture
def use_storage(settings: Settings) -> Use:
    """Have photos lie at another STORAGE_URL for this test."""

    def use(url: str) -> None:
        address = storage_address.parse(url)
        settings.STORAGE = address
        settings.STORAGES = settings.STORAGES | {"default": address.backend()}

    return use


def make(kind: str, *, use: Use, folder: Path, request: pytest.FixtureRequest) -> None:
    """Make an empty storage of a kind, and use it."""
    if kind == "data folder":
        request.getfixturevalue("settings").MEDIA_ROOT = folder / "media"
    elif kind == "shared folder":
        (folder / "shared faces").mkdir()
        use(f"file://{folder}/shared%20faces")
    else:
        use(request.getfixturevalue("s3").url(prefix=f"{uuid4()}/photos of ours"))


@pytest.fixture(params=["data folder", "shared folder", "object storage"])
def any_storage(request: pytest.FixtureRequest, use_storage: Use, tmp_path: Path) -> Any:
    """An empty storage, of every kind in turn; says which."""
    make(request.param, use=use_storage, folder=tmp_path, request=request)
    return request.param


@pytest.fixture(params=["shared folder", "object storage"])
def outage(
    request: pytest.FixtureRequest,
    use_storage: Use,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[], AbstractContextManager[None]]:
    """A storage that others share, and that can be away for a while: unmounted, or hung."""
    monkeypatch.setattr(object_storage, "READ_SECONDS", IMPATIENCE)
    monkeypatch.setattr(object_storage, "BREAK_SECONDS", 0.1)
    make(request.param, use=use_storage, folder=tmp_path, request=request)

    @contextmanager
    def unmounted() -> Iterator[None]:
        (tmp_path / "shared faces").rename(tmp_path / "elsewhere")
        yield
        (tmp_path / "elsewhere").rename(tmp_path / "shared faces")

    if request.param == "shared folder":
        return unmounted
    server: S3Server = request.getfixturevalue("s3")
    return lambda: hung(server)
