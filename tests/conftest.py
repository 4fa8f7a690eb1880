"""What all tests share: the demo's photos, the real engine, and users with roles."""

import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.models.signals import post_migrate
from django.test import override_settings
from pytest_django import DjangoDbBlocker

from demo import photos as demo_photos
from facewatch.roles import ensure_roles
from ledger import queues
from recognition import loaded
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.models import GalleryState

pytest_plugins = ["tests.disk", "tests.installation", "tests.storages"]

#: The files that take longest, the longest first: started early, they let all processes of a parallel run end together.
LONGEST = (
    "tests/faults/test_chaos.py",
    "tests/faults/test_crashes.py",
    "tests/hosts/test_hosts.py",
    "tests/flows/test_serve.py",
    "tests/pages/test_browser_photos.py",
    "tests/pages/test_browser_review.py",
    "tests/pages/test_browser_queue.py",
    "tests/pages/test_browser_people.py",
    "tests/pages/test_browser_admin.py",
    "tests/pages/test_browser.py",
    "tests/pages/test_browser_live.py",
    "tests/faults/test_brokers.py",
    "tests/demo/test_demo.py",
    "tests/bench/test_pipeline.py",
    "tests/test_workshop.py",
    "tests/api/test_schema.py",
    "tests/engine/test_details.py",
    "tests/faults/test_poison.py",
    "tests/ledger/test_machine.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first. Of tests with one id a parallel run would do one alone: such are refused."""
    doubled = [name for name, count in Counter(item.nodeid for item in items).items() if count > 1]
    if doubled:
        raise pytest.UsageError(f"Several tests have the same id: {', '.join(doubled)}")
    ranks = {file: rank for rank, file in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What the tests start can be stopped by Ctrl-C, also where they run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def measured() -> Mapping[str, str]:
    """The variables by which a process is measured for coverage: for those whose code runs nowhere else.

    No other process has them, because to measure all would take half as much time again.
    """
    names = [name for name in os.environ if name.startswith("COVERAGE_PROCESS")]
    return {name: os.environ.pop(name) for name in names}


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """Hashing a password takes no third of a second in the tests' own process, as it should everywhere else."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def photos_folder() -> Path:
    """The folder of the freely licensed photos, fetched before."""
    return demo_photos.fetch()


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The real default engine."""
    return loaded.engine()


@pytest.fixture
def known(engine: Engine) -> ExactGallery:
    """A gallery that has read nothing yet, like a fresh worker's."""
    return ExactGallery(engine)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """The test database is a file, as in an installation: in memory, threads do not wait for each other's locks."""
    database = connections["default"]
    if database.vendor == "sqlite":
        database.settings_dict["TEST"]["NAME"] = str(settings.DATA_DIR / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database, with what an installation gets on its first start: the roles, an empty gallery.

    A test with real transactions empties the database when it ends; Django then sends `post_migrate`.
    """

    def furnish(**_: Any) -> None:
        ensure_roles()
        GalleryState.objects.get_or_create(pk=1)

    with django_db_blocker.unblock():
        furnish()
    # It comes once for each app that has models; permissions are there after the last.
    last = [app for app in apps.get_app_configs() if app.models_module][-1]
    post_migrate.connect(furnish, sender=last, weak=False)


@pytest.fixture(scope="module", autouse=True)
def nothing_queued() -> None:
    """Messages that the tests of another file left count in none of this one: which files share a process is chance."""
    _empty_queue()


@pytest.fixture
def empty_queue() -> Iterator[None]:
    """The queue without messages, before and after the test."""
    _empty_queue()
    yield
    _empty_queue()


def _empty_queue() -> None:
    queues.breaker.reset()
    queues.huey.flush()
