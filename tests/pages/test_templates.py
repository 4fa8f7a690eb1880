"""What holds of every template and every vendored library."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.installation import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
#: E-mails are no pages: their styles are inlined, and no policy is sent with them.
PAGES = [path for path in TEMPLATES if "email" not in path.parts]
VENDOR = ROOT / "static" / "vendor"
SPRITE = VENDOR / "lucide-1.62.0" / "icons.svg"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_inline(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"""<style|\sstyle=|\son[a-z]+=|javascript:|\shx-on""", text)
    scripts = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*type=\"application/json\")[^>]*>", text)
    assert scripts == []


def test_every_icon_is_in_the_sprite_and_every_one_in_it_is_named_once() -> None:
    symbols = re.findall(r'<symbol id="([a-z0-9-]+)"', SPRITE.read_text(encoding="utf-8"))
    asked = {
        name
        for path in TEMPLATES
        for name in re.findall(r'\{% icon "([^"]+)"', path.read_text(encoding="utf-8"))
    }
    assert asked
    assert asked <= set(symbols)
    assert symbols == sorted(set(symbols))


def test_every_vendored_library_is_listed_with_its_version_and_has_its_licence() -> None:
    listed = (VENDOR / "README.md").read_text(encoding="utf-8")
    for folder in (path for path in VENDOR.iterdir() if path.is_dir()):
        version = folder.name.rpartition("-")[2]
        (row,) = [line for line in listed.splitlines() if line.startswith(f"| `{folder.name}/`")]
        assert f"| {version} |" in row
        assert list(folder.glob("LICENSE*"))
    assert (
        f"{len(re.findall('<symbol', SPRITE.read_text(encoding='utf-8')))} of its icons" in listed
    )


def test_the_policy_allows_what_comes_from_here_alone() -> None:
    directives = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    sources = {source for allowed in directives.values() for source in allowed}
    assert sources <= {"'self'", "'none'", "data:", "blob:"}
    assert {name for name, allowed in directives.items() if {"data:", "blob:"} & set(allowed)} == {
        "img-src"
    }
