"""The pages as their users meet them: signed in, by Django's client or in Chromium."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright
from pytest_django import Settings

from tests import make
from tests.installation import Installation
from tests.pages.visiting import PASSWORD, sign_in

#: What Chromium is called, by distribution; Playwright's own is tried where none of them is there.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
#: No sandbox, because containers forbid it; no network but the page's own.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings) -> None:
    """Static files by their plain names: the hashed ones exist only after collectstatic."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture
def uploader(db: None, client: Client) -> Any:
    """Someone who may upload and sees nothing but that, signed in at `client`."""
    user = make.user("uma", role="uploader")
    client.force_login(user)
    return user


@pytest.fixture
def operator(db: None, client: Client) -> Any:
    """Someone who reviews alerts, signed in at `client`."""
    user = make.user("otto", role="operator")
    client.force_login(user)
    return user


@pytest.fixture
def manager(db: None, client: Client) -> Any:
    """Someone who manages people, signed in at `client`."""
    user = make.user("mia", role="manager")
    client.force_login(user)
    return user


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Stopped with the module: while Playwright runs, Django takes this thread for asynchronous."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        except Error as error:
            reason = f"Chromium does not start ({path or 'none on the PATH'}): {error.message}"
            if os.environ.get("FACEWATCH_REQUIRE_BROWSER") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors in the console, violations of the policy, uncaught exceptions."""
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A page in a browser without history. The test fails if the browser complains and the test does not say so."""

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(error.message))
        yield page
    assert complaints == []


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    """A token of olga, a manager, who can sign in with PASSWORD."""
    token = installation.token("olga", "manager")
    installation.manage(
        "shell",
        "--command",
        "from django.contrib.auth.models import User\n"
        f"user = User.objects.get(username='olga'); user.set_password('{PASSWORD}'); user.save()",
    )
    return token


@pytest.fixture
def signed_in(page: Page, installation: Installation, token: str) -> Page:
    """A page on which olga has signed in."""
    page.goto(f"{installation.url}/login/")
    sign_in(page)
    expect(page.get_by_text("olga")).to_be_visible()
    return page
