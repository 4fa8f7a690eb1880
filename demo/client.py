"""The demonstration speaks to the server as any program would: JSON and pictures over HTTP, with a token."""

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

#: Seconds that an answer may take.
TIMEOUT = 60
#: Seconds for which a server is asked to hold back its answer until a photo is done.
WAIT = 20


class Refused(Exception):
    """The server answered with an error; the text is its status and what it says."""


class Client:
    """Requests to one server. `headers` go with each of them, the token among them."""

    def __init__(self, address: str, *, headers: Mapping[str, str]) -> None:
        self._address = address
        self._headers = dict(headers)
        # Proxies are for the world outside; the server is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def answers(self) -> bool:
        """Say whether the server is there."""
        try:
            self.get("/healthz")
        except (OSError, Refused):
            return False
        return True

    def get(self, path: str, *, prefer: str = "") -> Any:
        """Return the JSON of a path. Raises Refused, and OSError if nobody answers."""
        return self._send("GET", path, headers={"Prefer": prefer} if prefer else {})

    def find(self, path: str, **fields: object) -> Any | None:
        """Return the first object of a list, over all its pages, that has these values, else None."""
        page = self.get(path)
        while True:
            for found in page["results"]:
                if all(found[name] == value for name, value in fields.items()):
                    return found
            if not page["next"]:
                return None
            page = self.get(page["next"])

    def post(self, path: str, **fields: object) -> Any:
        """Return the answer to a POST of JSON. Raises Refused."""
        return self._send(
            "POST",
            path,
            body=json.dumps(fields).encode(),
            headers={"Content-Type": "application/json"},
        )

    def patch(self, path: str, **fields: object) -> Any:
        """Return the answer to a PATCH of JSON. Raises Refused."""
        return self._send(
            "PATCH",
            path,
            body=json.dumps(fields).encode(),
            headers={"Content-Type": "application/json"},
        )

    def upload(self, path: str, image: bytes, **fields: str) -> Any:
        """Return the answer to a POST of a picture with further fields. Raises Refused."""
        boundary = uuid.uuid4().hex
        heads = [f'name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
        heads.append('name="image"; filename="photo"\r\n\r\n')
        form = "".join(f"--{boundary}\r\nContent-Disposition: form-data; {head}" for head in heads)
        return self._send(
            "POST",
            path,
            body=form.encode() + image + f"\r\n--{boundary}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )

    def finished(self, photo: dict[str, Any], *, seconds: float = 120) -> dict[str, Any]:
        """Return a photo once the workers are through with it. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while photo["stage"] not in {"done", "failed"}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Photo {photo['id']} was not done within {seconds:g} s.")
            photo = self.get(f"/api/v1/photos/{photo['id']}/", prefer=f"wait={WAIT}")
        return photo

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Any:
        # A list names its next page by its full address, perhaps a public one: only the path of it is taken.
        path = "/" + path.split("/", 3)[3] if path.startswith("http") else path
        request = urllib.request.Request(  # noqa: S310 (our own server's address)
            self._address + path, data=body, method=method, headers={**self._headers, **headers}
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise Refused(f"{method} {path} was answered {error.code}: {text}") from error
