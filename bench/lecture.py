"""The lecture's two servers, for comparison: they recognise in the request, one after the other or a thread for each.

    python -m bench.lecture PORT [--threads]

They use the same engine on the same photos as the installation, parse no form and store nothing, which is less than it
does. POST a photo, and the answer says how many faces of known people it shows.
"""

import argparse
import io
import os
import queue
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import numpy as np

from recognition import engine

#: Known faces that each probe is compared with.
GALLERY = 300
MAX_PIXELS = 64_000_000

#: Models in memory, one for each processor: two threads must not use the same one at once.
models: queue.SimpleQueue[engine.Engine] = queue.SimpleQueue()


class Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Threaded(ThreadingMixIn, WSGIServer):
    """A thread for each request."""

    daemon_threads = True
    # As many may wait as there are clients.
    request_queue_size = 128


class Blocking(WSGIServer):
    """One request after the other; the next ones wait to be accepted."""

    request_queue_size = 128


def recognise(data: bytes, *, gallery: engine.Embeddings) -> int:
    """Return how many faces of the photo are nearer to a known one than the threshold of an alert."""
    photo = engine.open_photo(io.BytesIO(data), max_pixels=MAX_PIXELS)
    model = models.get()
    try:
        faces = model.detect(photo)
        if not faces:
            return 0
        vectors = model.embed([model.align(engine.cut_chip(photo, face)) for face in faces])
        nearest = model.distances(vectors, gallery).min(axis=1)
        return int((nearest <= model.thresholds.alert).sum())
    finally:
        models.put(model)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a photo with what is on it."""
    data = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    gallery = np.random.default_rng(1).normal(size=(GALLERY, 128)).astype(np.float32)
    found = recognise(data, gallery=gallery) if data else 0
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{found}\n".encode()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("--threads", action="store_true", help="a thread for each request")
    options = parser.parse_args()
    for _ in range(os.cpu_count() or 1):
        models.put(type(engine.load())())
    kind = Threaded if options.threads else Blocking
    with make_server("127.0.0.1", options.port, application, kind, Quiet) as server:
        server.serve_forever()
