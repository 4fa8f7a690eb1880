"""What the tests of the composition root share."""

from pathlib import Path
from typing import Any

import pytest

from recognition.engine import Engine
from recognition.gallery import Gallery
from tests.facewatch import moving


@pytest.fixture(autouse=True)
def plain_static_files(settings: Any) -> None:
    """Static files as they lie in the packages: nothing was collected for the tests."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = settings.STORAGES | {"staticfiles": plain}


@pytest.fixture
def living(
    transactional_db: None,
    settings: Any,
    tmp_path: Path,
    photos_folder: Path,
    engine: Engine,
    known: Gallery,
) -> Path:
    """An installation with something in every table, and its files in a folder of their own, which this is."""
    settings.MEDIA_ROOT = tmp_path / "stored"
    moving.furnish(engine=engine, known=known)
    return Path(settings.MEDIA_ROOT)
