"""The pictures of the pages in docs/images, taken in Chromium from an installation at work.

    make screenshots

An installation in a folder of its own gets people, a watch-list and photos through the API, and some photos that it
must refuse. What is shown are works of the United States government and photos in the public domain (docs/demo.md).
"""

import io
import shutil
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from playwright.sync_api import Page, sync_playwright

from demo import photos as demo_photos
from demo import scene
from tests.installation import ROOT, Installation
from tests.pages.visiting import PASSWORD, sign_in

IMAGES = ROOT / "docs" / "images"
#: Whose names may be shown, and the photos that they are known by.
PEOPLE = {
    "Barack Obama": ("obama-2005.jpg", "obama-2009.jpg", "obama-2010.jpg"),
    "Joe Biden": ("biden-2010.jpg",),
    "Grace Hopper": ("hopper.jpg",),
    "Eileen Collins": ("collins.png",),
}
WATCHED = ("Barack Obama", "Eileen Collins")
UPLOADS = ("obama-2012.jpg", "ardern-2022.jpg", "macron-2025.jpg", "biden-2010.jpg", "coffee.png")
#: Width and height of a picture, in pixels of the page; a phone's; a narrow one's; pixels of the picture for each.
DESK, PHONE, NARROW, DENSITY = (1280, 800), (390, 760), (320, 1100), 1.25
#: Milliseconds until everything on a page is there.
PATIENCE = 60_000
#: How long after the watch-list is made its mail is due, and for how many seconds that is waited for.
MAIL_AFTER, MAIL_PATIENCE = timedelta(minutes=2), 300
#: Photos that come in at once.
BURST = 60
#: A text file that says it is a photo.
NOT_A_PHOTO = b"this is no photo"


class Studio:
    """The installation, and who takes the pictures."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.token = installation.token("olga", "manager")
        installation.manage(
            "shell",
            "--command",
            "from django.contrib.auth.models import User\n"
            f"user = User.objects.get(username='olga'); user.set_password('{PASSWORD}')\n"
            "user.is_staff = True; user.save()",
        )

    def furnish(self) -> None:
        """Enrol people, watch for some, and let photos come in: some with them, some with others, one with none."""
        people = {name: self._enrol(name, files) for name, files in PEOPLE.items()}
        watchlist = self.installation.post(
            "/api/v1/watchlists/",
            token=self.token,
            name="Lobby",
            people=[people[name] for name in WATCHED],
        ).json()
        self.installation.post(
            "/api/v1/subscriptions/",
            token=self.token,
            watchlist=watchlist["id"],
            mode="daily",
            channel="email",
            target="guard@example.org",
            daily_at=f"{datetime.now(UTC) + MAIL_AFTER:%H:%M}",
            time_zone="UTC",
        )
        for number, name in enumerate(UPLOADS):
            self._upload(demo_photos.path(name).read_bytes(), source=f"gate {number % 2 + 1}")
        self.group = self._upload(scene.compose(), source="reception")

    def busy(self) -> None:
        """Let more come in than is done at once, and one that fails: what the queue's page is for."""
        image = demo_photos.path("biden-2010.jpg").read_bytes()
        self._upload(image[: len(image) // 3], source="gate 2")
        for number in range(BURST):
            # A tail that no decoder reads makes each a photo of its own.
            twin = image + bytes([0, number])
            self.installation.upload("/api/v1/photos/", twin, token=self.token, source="gate 3")

    def _enrol(self, name: str, files: tuple[str, ...]) -> str:
        person: dict[str, Any] = self.installation.post(
            "/api/v1/people/", token=self.token, name=name
        ).json()
        for file in files:
            self._send(
                f"/api/v1/people/{person['id']}/photos/", demo_photos.path(file).read_bytes()
            )
        return str(person["id"])

    def _upload(self, image: bytes, *, source: str) -> dict[str, Any]:
        return self._send("/api/v1/photos/", image, source=source)

    def _send(self, path: str, image: bytes, **fields: str) -> dict[str, Any]:
        answer = self.installation.upload(path, image, token=self.token, **fields)
        return self.installation.finished(answer.json(), token=self.token)

    def person(self, name: str) -> str:
        """Return the address of a person's page."""
        found = self.installation.get(
            f"/api/v1/people/?search={name.rsplit(maxsplit=1)[-1]}", token=self.token
        ).json()
        return f"/people/{found['results'][0]['id']}/"

    def mail(self) -> str:
        """Wait for the day's mail; return its page, pictures and all."""
        deadline = time.monotonic() + MAIL_PATIENCE
        while not (mails := self.installation.mails()) and time.monotonic() < deadline:
            time.sleep(1)
        mail = message_from_bytes(mails[0], policy=policy.default)
        page = "".join(str(part.get_content()) for part in mail.walk() if _is_html(part))
        for part in mail.walk():
            if name := part["Content-ID"]:
                pixels = b64encode(part.get_content()).decode()
                address = f"data:{part.get_content_type()};base64,{pixels}"
                page = page.replace(f"cid:{str(name).strip('<>')}", address)
        return page

    @contextmanager
    def page(self, size: tuple[int, int] = DESK, *, scheme: Any = "light") -> Iterator[Page]:
        """Give a page on which olga has signed in."""
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        with sync_playwright() as playwright:
            arguments = ["--headless", "--no-sandbox", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=path, args=arguments)
            page = browser.new_page(
                viewport={"width": size[0], "height": size[1]},
                color_scheme=scheme,
                device_scale_factor=DENSITY,
            )
            page.goto(f"{self.installation.url}/login/")
            sign_in(page)
            page.get_by_text("olga").wait_for()
            yield page
            browser.close()

    def shoot(self, page: Page, path: str, name: str) -> None:
        """Take the picture of what is seen of one page, once all of it is there."""
        if path:
            page.goto(self.installation.url + path)
        page.wait_for_load_state("load")
        page.wait_for_timeout(1500)
        pixels = page.screenshot(animations="disabled")
        with Image.open(io.BytesIO(pixels)) as picture:
            # As few colours as a page has: a third of the bytes.
            small = picture.convert("RGB").quantize(colors=256, method=Image.Quantize.MEDIANCUT)
            small.save(IMAGES / f"{name}.png", optimize=True)
        print(f"docs/images/{name}.png")


def _is_html(part: Any) -> bool:
    return bool(part.get_content_type() == "text/html")


def _mirrored(name: str) -> bytes:
    """The photo as a mirror shows it: other bytes, the same face."""
    with Image.open(demo_photos.path(name)) as photo:
        return _jpeg(ImageOps.mirror(photo.convert("RGB")))


def _jpeg(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()


def take(studio: Studio) -> None:
    """Take all pictures."""
    group = f"/photos/{studio.group['id']}/"
    with studio.page() as page:
        studio.shoot(page, "/", "front")
        page.goto(f"{studio.installation.url}/upload/")
        files = [
            {"name": "door.jpg", "mimeType": "image/jpeg", "buffer": _mirrored("macron-2025.jpg")},
            {"name": "hall.jpg", "mimeType": "image/jpeg", "buffer": _mirrored("obama-2012.jpg")},
            {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": NOT_A_PHOTO},
        ]
        page.locator("#files").set_input_files(files)  # type: ignore[arg-type]
        page.locator("#uploads > .done").nth(1).wait_for(timeout=PATIENCE)
        studio.shoot(page, "", "upload")
        studio.shoot(page, group, "photo")
        studio.shoot(page, studio.person("Barack Obama"), "person")
        studio.shoot(page, "/alerts/", "review")
        studio.busy()
        studio.shoot(page, "/queue/", "queue")
    with studio.page(scheme="dark") as page:
        studio.shoot(page, "/alerts/", "review-dark")
    with studio.page(PHONE) as page:
        studio.shoot(page, "/alerts/", "review-phone")
    mail = studio.mail()
    for scheme, name in (("light", "mail"), ("dark", "mail-dark")):
        with studio.page(NARROW, scheme=scheme) as page:
            # Not a page of the server's, whose policy lets no style into it.
            page.goto("about:blank")
            page.set_content(mail)
            studio.shoot(page, "", name)


def main() -> int:
    """Take the pictures; return the exit status."""
    demo_photos.fetch(progress=print)
    with tempfile.TemporaryDirectory(prefix="facewatch-screenshots-") as folder:
        installation = Installation(Path(folder) / "data", FACEWATCH_MAIL_PICTURES="on").start()
        try:
            studio = Studio(installation)
            studio.furnish()
            take(studio)
        finally:
            installation.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
