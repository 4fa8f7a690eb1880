"""Server-sent events: open pages and programs are told what happens, as long as there are threads to spare.

Each stream holds a thread of the web server, so only MOST_STREAMS are open at once; a page beyond that asks again and
again instead, with an ETag. A stream ends by itself after LIFETIME, and the browser opens the next one: so a connection
that nobody noticed to be broken holds none for longer.
(HTML, section 9.2, https://html.spec.whatwg.org/multipage/server-sent-events.html)
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

#: Streams open at once in this process: the web server has 64 threads, and requests that wait for a photo may hold 24.
MOST_STREAMS = 20
#: Streams of one user: a browser has six connections to a server, and needs some for all the rest.
MOST_OF_ONE = 3
#: Seconds between two looks.
LOOK_SECONDS = 1.0
#: Seconds without news after which an empty line is sent, on which a broken connection shows.
BEAT_SECONDS = 5.0
#: Seconds after which a stream ends, and after which the browser then asks for a new one.
LIFETIME, RETRY_SECONDS = 300.0, 1.0

#: Returns the versions now, or None when there is nobody to tell them to any more.
Look: TypeAlias = Callable[[], Mapping[str, str] | None]

_lock = threading.Lock()
#: Set once this process is told to end: from then on none is opened, which it would wait for.
_ending = threading.Event()
#: By owner and page.
_open: dict[tuple[object, str], "Stream"] = {}


#: Returns messages to send, ready as bytes, or None when there is nobody to send them to any more.
News: TypeAlias = Callable[[], list[bytes] | None]


def open_stream(look: Look, *, owner: object, page: str) -> "Stream | None":
    """Return a stream of what `look` returns: first all versions, then those that changed; else as `open_feed`."""
    return open_feed(_Changes(look), owner=owner, page=page)


def open_feed(news: News, *, owner: object, page: str) -> "Stream | None":
    """Return a stream of messages, or None if too many are open, or this process is about to end.

    It takes the place of the one that the same page of the same owner had. The caller has it iterated or closed.
    """
    with _lock:
        older = _open.pop((owner, page), None)
        full = len(_open) >= MOST_STREAMS or sum(one == owner for one, _ in _open) >= MOST_OF_ONE
        stream = None if full or _ending.is_set() else Stream(news, key=(owner, page))
        if stream:
            _open[owner, page] = stream
    if older:
        older.close()
    return stream


def end_with_process() -> None:
    """Close every stream when this process is told to end; call it in the main thread, before the web server starts.

    A web server that ends in order waits for its answers, and a stream would keep it for minutes. The server handles
    the signals itself; of each one Python writes the number to a pipe. In another thread than the main one, in which
    some servers load the application, it does nothing: no signal arrives there.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), name="streams", daemon=True).start()


def _watch(reader: int) -> None:
    while numbers := os.read(reader, 64):
        if {signal.SIGTERM, signal.SIGINT}.intersection(numbers):
            _ending.set()
            close_all()


def close_all() -> None:
    """End every stream."""
    with _lock:
        streams = list(_open.values())
    for stream in streams:
        stream.close()


def count() -> int:
    """Return how many streams are open in this process."""
    with _lock:
        return len(_open)


class _Changes:
    """The versions that differ from those that were sent before."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._shown: dict[str, str] = {}

    def __call__(self) -> list[bytes] | None:
        seen = self._look()
        if seen is None:
            return None
        news = {topic: now for topic, now in seen.items() if self._shown.get(topic) != now}
        self._shown |= news
        return [f"data: {json.dumps(news)}\n\n".encode()] if news else []


class Stream:
    """The body of one answer. Closing it twice does nothing more."""

    def __init__(self, news: News, *, key: tuple[object, str]) -> None:
        self._news = news
        self._key = key
        self._closed = threading.Event()
        self._events = self._run()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End it, and give its place back."""
        self._closed.set()
        with _lock:
            if _open.get(self._key) is self:
                del _open[self._key]

    def _run(self) -> Iterator[bytes]:
        ends_at = time.monotonic() + LIFETIME
        beat_at = 0.0
        yield f"retry: {RETRY_SECONDS * 1000:.0f}\n\n".encode()
        while (now := time.monotonic()) < ends_at and not self._closed.is_set():
            news = self._news()
            if news is None:
                return
            if news:
                beat_at = now + BEAT_SECONDS
                yield b"".join(news)
            elif now >= beat_at:
                beat_at = now + BEAT_SECONDS
                yield b":\n\n"
            self._closed.wait(LOOK_SECONDS)
