"""A real installation for tests of whole flows: its own data folder, a free port, real processes."""

import atexit
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.ports import free_port

ROOT = Path(__file__).parent.parent
#: The variables that say where an installation keeps what it has.
ADDRESSES = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "STORAGE_URL")
#: Seconds within which an installation must answer, on a busy machine.
START_SECONDS = 90


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server answered."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Installation:
    """`manage.py serve` on a data folder; may be stopped, killed and started again."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.environment = bare_environment() | {
            "FACEWATCH_DATA_DIR": str(data_dir),
            "FACEWATCH_PORT": str(self.port),
            "FACEWATCH_BASE_URL": self.url,
            "FACEWATCH_WORKERS": "1",
        }
        if servers.ARE_USED:
            self.environment |= servers.environment()
        self.environment |= environment

    def start(self) -> "Installation":
        """Start the server and return once it answers and a worker is alive.

        A new data folder is the copy of one that was prepared before; `launch` begins with an empty one.
        """
        if not self.data_dir.exists():
            folder, database = _prepared()
            shutil.copytree(folder, self.data_dir)
            if database:
                self.environment["DATABASE_URL"] = servers.postgres().create(like=database)
        return self.launch().wait_until_ready()

    def launch(self, *, folder: Path = ROOT) -> "Installation":
        """Start the server, called in a folder, and return at once."""
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "serve"],
            cwd=folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()
        return self

    def wait_until_ready(self) -> "Installation":
        """Return once the server answers and a worker is alive."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("/readyz").status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.2)
        self.stop()
        raise AssertionError("The installation did not start:\n" + "\n".join(self.lines))

    def stop(self) -> int:
        """Stop in order; return the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def kill(self) -> None:
        """Kill the supervisor as the kernel would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def processes(self) -> dict[int, str]:
        """Return the living processes that belong to this data folder: id and command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"FACEWATCH_DATA_DIR={self.data_dir}\0".encode() in environment and command:
                found[int(entry.name)] = command
        return found

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run manage.py on the same data."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=check,
        )

    def token(self, user: str = "flow", role: str = "manager") -> str:
        """Return a fresh API token of a user with a role."""
        return self.manage("token", user, "--create", role).stdout.strip()

    def get(self, path: str, *, token: str = "", **headers: str) -> Answer:
        """GET a path."""
        return self.request("GET", path, token=token, headers=headers)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request to a path or full address; an error status is an answer, too."""
        request = urllib.request.Request(
            path if path.startswith("http") else self.url + path,
            data=body,
            method=method,
            headers={**({"Authorization": f"Token {token}"} if token else {}), **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(status=answer.status, headers=answer.headers, body=answer.read())
        except urllib.error.HTTPError as error:
            return Answer(status=error.code, headers=error.headers, body=error.read())

    def post(self, path: str, *, token: str = "", **fields: Any) -> Answer:
        """POST JSON."""
        return self.send("POST", path, token=token, **fields)

    def send(self, method: str, path: str, *, token: str = "", **fields: Any) -> Answer:
        """Send JSON."""
        body = json.dumps(fields).encode()
        headers = {"Content-Type": "application/json"}
        return self.request(method, path, token=token, body=body, headers=headers)

    def upload(
        self, path: str, image: bytes, *, token: str, name: str = "photo.jpg", **fields: str
    ) -> Answer:
        """POST an image as a form."""
        boundary = uuid.uuid4().hex
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        ]
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        )
        parts.append(
            head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + image + b"\r\n"
        )
        parts.append(f"--{boundary}--\r\n".encode())
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self.request("POST", path, token=token, body=b"".join(parts), headers=headers)

    def finished(self, photo: dict[str, Any], *, token: str, seconds: float = 60) -> dict[str, Any]:
        """Return the photo once its stage is final."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            now = self.get(f"/api/v1/photos/{photo['id']}/", token=token, Prefer="wait=10").json()
            if now["stage"] in {"done", "failed"}:
                return dict(now)
        raise AssertionError(
            f"Photo {photo['id']} is still {now['stage']}:\n" + "\n".join(self.lines)
        )

    def alert_of(self, person_id: str, *, token: str, seconds: float = 30) -> dict[str, Any]:
        """Return the newest alert of a person, once there is one: it is raised just after the photo is done."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.get(f"/api/v1/alerts/?person={person_id}", token=token).json()["results"]
            if found:
                return dict(found[0])
            time.sleep(0.1)
        raise AssertionError("No alert was raised:\n" + "\n".join(self.lines))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query; what it changes is committed."""
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as database:
                found = database.execute(sql.encode())
                return found.fetchall() if found.description else []
        path = self.data_dir / "facewatch.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as file, file:
            return file.execute(sql).fetchall()

    def mails(self) -> list[bytes]:
        """Return the mails written so far, the oldest first."""
        return [path.read_bytes() for path in sorted((self.data_dir / "mail").glob("*.eml"))]

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip())


def bare_environment() -> dict[str, str]:
    """Return the variables of this process without those that set an installation up."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FACEWATCH_") and name not in ADDRESSES
    }


@cache
def _prepared() -> tuple[Path, str]:
    """A data folder as the first start makes it, and the name of its database; once for each process of the tests."""
    folder = Path(tempfile.mkdtemp(prefix="facewatch-prepared-")) / "data"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    installation = Installation(folder)
    installation.manage("prepare")
    return folder, installation.environment.get("DATABASE_URL", "").rpartition("/")[2]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation that runs for the tests of one file: which files share a process is chance."""
    running = Installation(tmp_path_factory.mktemp("installation") / "data").start()
    yield running
    assert running.stop() == 0
    assert running.processes() == {}


def signal_all(processes: dict[int, str], number: signal.Signals) -> None:
    """Send a signal to processes that `Installation.processes` named; one that ended meanwhile is no error."""
    for pid in processes:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
