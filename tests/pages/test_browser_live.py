"""Pages that stay open: streams that end come back, without one pages ask, and nothing is left behind."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.installation import ROOT, START_SECONDS, Installation
from tests.pages.visiting import PATIENCE, count_loads, read, sign_in
from tests.ports import free_port

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("photos_folder")]

#: Streams of a day: one ends after five minutes.
A_DAY = 24 * 60 // 5
#: As many as are waited for here, in seconds of a tenth each.
STREAMS = 40


class Web:
    """A second web server on the data of an installation."""

    def __init__(self, installation: Installation, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = (
            installation.environment
            | {"FACEWATCH_PORT": str(self.port), "FACEWATCH_BASE_URL": self.url}
            | environment
        )

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = ["-m", "granian", "--interface", "wsgi", "tests.pages.impatient:application"]
        command += ["--port", str(self.port), "--blocking-threads", "64", "--no-ws"]
        self._process = subprocess.Popen(
            [sys.executable, *command, "--log-level", "error"], cwd=ROOT, env=self._environment
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def threads(self) -> int:
        """How many threads the server and its worker have."""
        status = [
            (Path("/proc") / pid / "status").read_text(encoding="utf-8")
            for pid in self._children(str(self._process.pid))
        ]
        return sum(int(re.findall(r"Threads:\s+(\d+)", text)[0]) for text in status)

    def _children(self, pid: str) -> list[str]:
        children = (Path("/proc") / pid / "task" / pid / "children").read_text(encoding="utf-8")
        return [pid, *(further for child in children.split() for further in self._children(child))]

    def _answers(self) -> bool:
        answer = subprocess.run(
            ["curl", "-sf", f"{self.url}/healthz"], capture_output=True, check=False
        )
        return answer.returncode == 0


@contextmanager
def web(installation: Installation, **environment: str) -> Iterator[Web]:
    server = Web(installation, **environment)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def visit(page: Page, url: str) -> None:
    page.goto(f"{url}/login/")
    sign_in(page)
    expect(page.locator("#came-in")).to_be_visible()
    page.wait_for_load_state()


def upload(installation: Installation, token: str, *, twist: int) -> dict[str, Any]:
    """A photo that was never sent before."""
    image = read("coffee.png") + bytes([0, twist])
    photo: dict[str, Any] = installation.upload("/api/v1/photos/", image, token=token).json()
    return installation.finished(photo, token=token)


def count_requests(page: Page, path: str) -> Callable[[], int]:
    """Return a function that says how many requests the page has made to a path since."""
    made: list[str] = []
    page.on("request", lambda request: made.append(request.url) if path in request.url else None)
    return lambda: len(made)


def weight(wire: CDPSession) -> dict[str, float]:
    """What the page holds, once what it no longer needs is gone."""
    wire.send("HeapProfiler.collectGarbage")
    metrics = wire.send("Performance.getMetrics")["metrics"]
    found = {metric["name"]: metric["value"] for metric in metrics}
    return {name: found[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners")}


def wait_for(condition: Callable[[], bool], page: Page) -> None:
    deadline = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < deadline
        page.wait_for_timeout(100)


def test_a_page_left_open_reconnects_and_leaves_nothing_behind(
    page: Page, installation: Installation, token: str
) -> None:
    with web(installation, TEST_LIFETIME="0.1", TEST_STREAMS="20") as server:
        visit(page, server.url)
        loads, streams = count_loads(page), count_requests(page, "/changes/")
        wire = page.context.new_cdp_session(page)
        wire.send("Performance.enable")
        wait_for(lambda: streams() >= 5, page)
        before, threads = weight(wire), server.threads()
        wait_for(lambda: streams() >= 5 + STREAMS, page)
        after = weight(wire)
        assert server.threads() <= threads + 2
        assert after["Nodes"] <= before["Nodes"]
        assert after["JSEventListeners"] <= before["JSEventListeners"] + 2
        # What a stream leaves behind, for all streams of a day, is less than a megabyte.
        growth = (after["JSHeapUsedSize"] - before["JSHeapUsedSize"]) / STREAMS
        assert growth * A_DAY < 1_000_000
        photo = upload(installation, token, twist=1)
        expect(page.locator(f"#photo-{photo['id']}")).to_be_visible(timeout=PATIENCE)
        assert loads() == 0
        page.goto("about:blank")


def test_a_page_finds_a_server_that_was_away(
    page: Page, installation: Installation, token: str, complaints: list[str]
) -> None:
    with web(installation, TEST_LIFETIME="300", TEST_STREAMS="20") as server:
        visit(page, server.url)
        loads = count_loads(page)
        server.stop()
        photo = upload(installation, token, twist=2)
        page.wait_for_timeout(1500)
        server.start()
        expect(page.locator(f"#photo-{photo['id']}")).to_be_visible(timeout=PATIENCE)
        assert loads() == 0
        page.goto("about:blank")
    # Chromium logs each try.
    assert all("ERR_" in text for text in complaints)
    complaints.clear()


def test_without_a_place_for_a_stream_a_page_asks_and_is_answered_briefly(
    page: Page, installation: Installation, token: str
) -> None:
    statuses: list[int] = []
    page.on(
        "response",
        lambda answer: statuses.append(answer.status) if "/changes/" in answer.url else None,
    )
    with web(installation, TEST_LIFETIME="300", TEST_STREAMS="0") as server:
        visit(page, server.url)
        wait_for(lambda: 304 in statuses, page)
        photo = upload(installation, token, twist=3)
        expect(page.locator(f"#photo-{photo['id']}")).to_be_visible(timeout=PATIENCE)
        assert statuses[:2] == [204, 200]
        # A stream is not asked for again at once.
        assert statuses.count(204) == 1
        page.goto("about:blank")
