"""The configuration of nginx, in a real nginx before a real installation."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import photos as demo_photos
from tests.installation import ROOT, Answer, Installation
from tests.ports import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
#: The whole of a configuration around ours.
AROUND = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/facewatch.conf;
}}
"""

pytestmark = [
    pytest.mark.usefixtures("photos_folder"),
    pytest.mark.skipif(
        NGINX is None and not os.environ.get("FACEWATCH_REQUIRE_NGINX"), reason="there is no nginx"
    ),
]


class Site:
    """An installation that is reached through nginx."""

    def __init__(self, folder: Path) -> None:
        self.port, self.plain_port = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.installation = Installation(
            folder / "data", FACEWATCH_BASE_URL=self.url, FACEWATCH_ACCEL="/media-internal/"
        )
        self._folder = folder

    def configure(self) -> list[str]:
        """Write the configuration, with ports and paths of the test's; return the command."""
        request = (
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=x"
            " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
        )
        subprocess.run(request.split(), cwd=self._folder, check=True, capture_output=True)
        self._context = ssl.create_default_context(cafile=self._folder / "cert.pem")
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{self.installation.port}",
            "listen 80;": f"listen 127.0.0.1:{self.plain_port};",
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/ssl/certs/faces.example.org.pem": f"{self._folder}/cert.pem",
            "/etc/ssl/private/faces.example.org.key": f"{self._folder}/key.pem",
            "/var/lib/facewatch/media/": f"{self.installation.data_dir}/media/",
        }
        text = (ROOT / "deploy" / "nginx.conf").read_text()
        for ours, theirs in changes.items():
            assert ours in text
            text = text.replace(ours, theirs)
        # By default nginx drops its rights; the test's folders are for their owner alone.
        user = "user root;" if os.getuid() == 0 else ""
        (self._folder / "facewatch.conf").write_text(text)
        (self._folder / "nginx.conf").write_text(AROUND.format(folder=self._folder, user=user))
        assert NGINX is not None, "there is no nginx"
        return [NGINX, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")]

    def open(self, path: str, *, token: str = "", data: bytes | None = None, **headers: str) -> Any:
        """Return the answer to a request through nginx, to be read and closed. Raises HTTPError."""
        told = {"Authorization": f"Token {token}"} if token else {}
        request = urllib.request.Request(self.url + path, data=data, headers=told | headers)
        return urllib.request.urlopen(request, timeout=60, context=self._context)

    def ask(self, path: str, **options: Any) -> Answer:
        """Return the whole answer, also if it is an error."""
        try:
            with self.open(path, **options) as answer:
                return Answer(status=answer.status, headers=answer.headers, body=answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, headers=error.headers, body=error.read())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that runs."""
    site = Site(tmp_path_factory.mktemp("nginx"))
    site.installation.start()
    process = subprocess.Popen(site.configure())
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", site.port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield site
    finally:
        process.terminate()
        process.wait(10)
        site.installation.stop()


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.installation.token()


def test_the_configuration_is_valid(tmp_path: Path) -> None:
    site = Site(tmp_path)
    checked = subprocess.run([*site.configure(), "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert not re.findall("warn|emerg", checked.stderr), checked.stderr


def test_a_photo_is_uploaded_through_it_and_its_picture_sent_by_nginx(
    site: Site, token: str
) -> None:
    direct = site.installation
    content = demo_photos.path("hopper.jpg").read_bytes()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        + content
        + b"\r\n--x--\r\n"
    )
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = site.ask("/api/v1/photos/", token=token, data=body, **form)
    assert answer.status == 202
    assert answer.headers["Location"].startswith(f"{site.url}/api/v1/photos/")
    path = answer.headers["Location"].removeprefix(site.url)
    assert b'"done"' in site.ask(path, token=token, Prefer="wait=20").body
    picture = site.ask(f"{path}image/", token=token)
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/jpeg")
    assert picture.headers["X-Content-Type-Options"] == "nosniff"
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert picture.headers["Cache-Control"] == "private, no-store"
    assert picture.headers["Content-Disposition"].startswith("inline")
    pixels = picture.body
    assert pixels[:2] == b"\xff\xd8"
    # The service itself sent no pixels.
    told = direct.get(f"{path}image/", token=token, **{"X-Forwarded-Proto": "https"})
    assert told.body == b""
    where = told.headers["X-Accel-Redirect"]
    assert (
        len(pixels)
        == (direct.data_dir / "media" / where.removeprefix("/media-internal/")).stat().st_size
    )
    assert site.ask(where, token=token).status == 404
    assert site.ask(f"{path}image/").status == 401


def test_what_is_too_large_is_refused_before_it_is_sent_on(site: Site, token: str) -> None:
    answer = site.ask("/api/v1/photos/", token=token, data=bytes(34_700_000))
    assert answer.status == 413


def test_plain_http_is_sent_to_https(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.plain_port), timeout=5) as connection:
        connection.sendall(b"GET /alerts/ HTTP/1.0\r\nHost: faces.example.org\r\n\r\n")
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 301")
    assert b"Location: https://faces.example.org/alerts/" in answer


def test_a_stream_is_passed_on_at_once(site: Site, token: str) -> None:
    begun = time.monotonic()
    with site.open("/api/v1/alerts/stream/", token=token) as answer:
        assert answer.readline().startswith(b"retry:")
    assert time.monotonic() - begun < 5


def test_cookies_are_for_tls_alone(site: Site) -> None:
    answer = site.ask("/login/")
    assert answer.status == 200
    assert "Secure" in answer.headers["Set-Cookie"]
