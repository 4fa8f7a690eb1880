"""What tests of uploading in Chromium have in common: files, choosing and dropping them, and what became of each."""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page

from tests.installation import Installation

API = "**/api/v1/photos/"

#: Drops a file, and a folder with a picture and a text in it and in a folder of its own, as a file manager does.
DROP = """async ([bytes, names]) => {
    const picture = (name, twist) =>
        new File([new Uint8Array([...bytes, 0, twist])], name, {type: "image/png"});
    const fileEntry = (file) =>
        ({isFile: true, isDirectory: false, name: file.name, file: (give) => give(file)});
    const folderEntry = (name, children) => ({
        isFile: false, isDirectory: true, name,
        createReader: () => {
            const parts = [children, []];
            return {readEntries: (give) => give(parts.shift())};
        },
    });
    const text = new File(["Dear diary"], names[3], {type: "text/plain"});
    const loose = picture(names[0], 1);
    const within = folderEntry("inner", [fileEntry(picture(names[2], 3)), fileEntry(text)]);
    const entries = [fileEntry(loose), folderEntry("outer", [fileEntry(picture(names[1], 2)), within])];
    const event = new Event("drop", {bubbles: true, cancelable: true});
    const items = entries.map((entry) => ({kind: "file", webkitGetAsEntry: () => entry}));
    event.dataTransfer = {files: [loose], items};
    document.getElementById("upload").dispatchEvent(event);
}"""


def choose(page: Page, *files: Path) -> None:
    """Choose files on the page, as its dialog does."""
    page.locator("#files").set_input_files(files)


def row(page: Page, name: str) -> Locator:
    """The row of a file that is not stored."""
    return page.locator("#queue > li").filter(has_text=name)


def new_picture(folder: Path, name: str, *, colour: str) -> Path:
    """A picture without a face."""
    file = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(file, "PNG")
    path = folder / name
    path.write_bytes(file.getvalue())
    return path


def total(installation: Installation, token: str, source: str) -> int:
    """How many photos of a source are stored."""
    answer = installation.get(f"/api/v1/photos/?source={source}", token=token)
    return len(answer.json()["results"])
