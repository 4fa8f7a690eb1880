"""The documents: what they say of settings, commands, photos and files is so."""

import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from demo.photos import PHOTOS
from facewatch.env import VARIABLES

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read_table(file: Path) -> list[list[str]]:
    """Return the rows of a document's tables, each as its cells; headings and rulers included."""
    lines = file.read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|")
    ]


def test_every_variable_is_documented_as_it_is() -> None:
    rows = [row for row in read_table(ROOT / "docs/settings.md") if row[0].startswith("`")]
    assert rows == [[f"`{item.name}`", item.default, item.help] for item in VARIABLES]


def test_settings_read_the_documented_variables_and_no_other() -> None:
    code = (ROOT / "facewatch/settings.py").read_text()
    read = set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", code))
    assert read == {item.name for item in VARIABLES}


def test_every_photo_is_credited() -> None:
    rows = read_table(ROOT / "docs/demo.md")
    for photo in PHOTOS:
        shows = ", ".join(str(fact) for fact in (photo.person or "nobody", photo.year) if fact)
        assert [photo.name, shows, photo.credit, photo.licence, f"<{photo.source}>"] in rows


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_links_lead_to_files_and_headings(file: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", file.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = file.parent / name if name else file
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", text).lower().replace(" ", "-") for text in headings]
            assert anchor in slugs, target


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_named_commands_exist(file: Path) -> None:
    text = file.read_text()
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    # Only in code: "make sure" is no target.
    assert set(re.findall(r"(?:^    |`)(?:\w+=\S+ )*make ([a-z]+)", text, re.MULTILINE)) <= {
        *targets
    }
    assert set(re.findall(r"manage\.py ([a-z]+(?:-[a-z]+)*)", text)) <= get_commands().keys()
