"""An HTTP server on loopback that receives webhooks, and answers as it is told."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Seconds that one which hangs goes on doing so.
HANG_SECONDS = 5


@dataclass
class Receiver:
    """What came, and what is answered: `status`, with `headers`; `mode` may be "hang", "drip" or "stall"."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    mode: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it receives."""
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Give a server that is running."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            receiver.got.append(({}, b"GET"))
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(
                ({name.lower(): value for name, value in self.headers.items()}, content)
            )
            if receiver.mode == "hang":
                receiver.ending.wait(HANG_SECONDS)
                return
            if receiver.mode == "drip":
                self._drip()
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            # One that stalls promises more than it sends.
            missing = 1000 if receiver.mode == "stall" else 0
            self.send_header("Content-Length", str(len(receiver.body) + missing))
            self.end_headers()
            self.wfile.write(receiver.body)
            self.wfile.flush()
            receiver.ending.wait(HANG_SECONDS if missing else 0)

        def _drip(self) -> None:
            """Send a byte of a header now and then, for as long as it goes."""
            ends = time.monotonic() + HANG_SECONDS
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
                while time.monotonic() < ends and not receiver.ending.wait(0.05):
                    self.wfile.write(b"x")
                    self.wfile.flush()
            except OSError:
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        receiver.ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
