"""What the directory of an archive says, honest or not."""

import io
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition import archives
from recognition.archives import BadArchive, Entry, Problem, Unreadable
from tests.archives import packed

LIMITS: dict[str, Any] = {"bytes_each": 32_000_000, "bytes_in_all": 500_000_000}
JPEG = b"\xff\xd8 pixels"


def directory(*paths: str, **limits: int) -> dict[str, Entry]:
    """The entries of an archive of files with these paths, by path."""
    found = archives.read_directory(packed(dict.fromkeys(paths, JPEG)), **LIMITS | limits)
    return {entry.path: entry for entry in found}


def test_a_folder_names_a_person_and_underscores_are_spaces() -> None:
    found = directory("Ada_Lovelace/1.jpg", "Ada Lovelace/2.PNG", "Grace Hopper/navy.webp")
    assert {entry.name for entry in found.values()} == {"Ada Lovelace", "Grace Hopper"}
    assert not any(entry.problem for entry in found.values())


def test_one_folder_round_all_of_the_others_is_looked_through() -> None:
    found = directory("people/Ada/1.jpg", "people/Bob/1.jpg", "people/notes.txt")
    assert {entry.name for entry in found.values() if not entry.problem} == {"Ada", "Bob"}
    found = directory("people/Ada/1.jpg", "Bob/1.jpg")
    assert found["people/Ada/1.jpg"].problem == Problem.NESTED


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("__MACOSX/Ada/._1.jpg", Problem.SYSTEM),
        ("Ada/Thumbs.db", Problem.SYSTEM),
        ("Ada/.hidden.jpg", Problem.HIDDEN),
        (".cache/1.jpg", Problem.HIDDEN),
        ("../Ada/1.jpg", Problem.UNSAFE),
        ("Ada/../../1.jpg", Problem.UNSAFE),
        ("/etc/1.jpg", Problem.UNSAFE),
        ("C:/Ada/1.jpg", Problem.UNSAFE),
        ("Ada/\u202egpj.1.jpg", Problem.UNSAFE),
        ("Ada/notes.txt", Problem.NOT_PHOTO),
        ("Ada/1.jpg.exe", Problem.NOT_PHOTO),
        ("1.jpg", Problem.NO_FOLDER),
        ("___/1.jpg", Problem.NO_FOLDER),
        ("Ada/holidays/1.jpg", Problem.NESTED),
        ("A" * 201 + "/1.jpg", Problem.LONG_NAME),
    ],
)
def test_a_file_that_is_no_photo_of_a_person_is_passed_over(path: str, problem: Problem) -> None:
    found = directory("Ada/good.jpg", path)
    assert found[path].problem == problem
    assert found["Ada/good.jpg"].problem == ""


def test_backslashes_of_windows_part_folders() -> None:
    assert directory("Ada\\1.jpg")["Ada/1.jpg"].name == "Ada"
    # A folder of its own, as some programs write it.
    assert list(directory("Ada\\", "Ada\\1.jpg")) == ["Ada/1.jpg"]


@pytest.mark.parametrize(
    "name", ["Zoë Müller", "Łukasz", "山田太郎", "نیلوفر\u200cی", "Jose\u0301"]
)
def test_names_in_any_script_are_read_composed(name: str) -> None:
    (entry,) = directory(f"{name}/1.jpg").values()
    assert entry.name == name.replace("e\u0301", "é")


def test_utf_8_names_that_are_not_declared_are_read_as_such() -> None:
    data = bytearray(packed({"Zoë/1.jpg": JPEG}).read())
    # What the archiver of macOS writes: the same bytes without the flag.
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset + 1] &= ~0x08
    (entry,) = archives.read_directory(io.BytesIO(data), **LIMITS)
    assert entry.name == "Zoë"


def test_files_of_unfit_size_or_packing_are_passed_over() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Ada/good.jpg", JPEG)
        archive.writestr("Ada/empty.jpg", b"")
        archive.writestr("Ada/zeros.jpg", bytes(2_000_000))
        archive.writestr("Ada/large.jpg", bytes(range(256)) * 20_000)
        archive.writestr("Ada/odd.jpg", JPEG, compress_type=zipfile.ZIP_LZMA)
    found = archives.read_directory(data, **LIMITS | {"bytes_each": 4_000_000})
    problems = {entry.path.removeprefix("Ada/"): entry.problem for entry in found}
    assert problems == {
        "good.jpg": "",
        "empty.jpg": Problem.EMPTY,
        "zeros.jpg": Problem.BOMB,
        "large.jpg": Problem.TOO_LARGE,
        "odd.jpg": Problem.COMPRESSION,
    }


def test_a_locked_file_is_passed_over() -> None:
    data = bytearray(packed({"Ada/1.jpg": JPEG, "Ada/2.jpg": JPEG}).read())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    first, second = archives.read_directory(io.BytesIO(data), **LIMITS)
    assert (first.problem, second.problem) == (Problem.ENCRYPTED, "")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"these are words", JPEG, b"PK\x05\x06" + b"\xff" * 18]
)
def test_what_is_no_archive_is_told(data: bytes) -> None:
    with pytest.raises(BadArchive) as caught:
        archives.read_directory(io.BytesIO(data), **LIMITS)
    assert caught.value.code == "not_zip"


def test_an_archive_without_a_photo_tells_why_each_is_passed_over() -> None:
    for paths, problems in (
        ([], {}),
        (["1.jpg", "2.jpg", "Ada/notes.txt"], {Problem.NO_FOLDER: 2, Problem.NOT_PHOTO: 1}),
    ):
        with pytest.raises(BadArchive) as caught:
            directory(*paths)
        assert caught.value.code == "no_photos"
        assert caught.value.problems == problems


def test_a_directory_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_DIRECTORY_BYTES", 1000)
    with pytest.raises(BadArchive) as caught:
        directory(*(f"Ada/{number}.jpg" for number in range(20)))
    assert caught.value.code == "too_many_files"
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_ENTRIES", 1)
    with pytest.raises(BadArchive) as caught:
        directory("Ada/1.jpg", "Ada/2.jpg")
    assert caught.value.code == "too_many_files"


def test_files_that_share_their_bytes_are_refused() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("Ada/1.jpg", bytes(1000))
        info = archive.infolist()[0]
        archive.filelist += [info] * 9
    with pytest.raises(BadArchive) as caught:
        archives.read_directory(data, **LIMITS | {"bytes_in_all": 5000})
    assert caught.value.code == "overlapping_files"


def test_an_archive_that_unpacks_to_too_much_is_refused() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Ada/1.jpg", bytes(900_000))
    with pytest.raises(BadArchive) as caught:
        archives.read_directory(data, **LIMITS | {"bytes_in_all": 100_000})
    assert caught.value.code == "unpacks_to_too_much"


def test_a_file_that_lies_about_its_size_gives_no_more_than_it_said() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Ada/1.jpg", bytes(3_000_000))
    raw = bytearray(data.getvalue())
    raw[raw.index(b"PK\x01\x02") + 24 :][:0] = b""
    struct.pack_into("<I", raw, raw.index(b"PK\x01\x02") + 24, 1000)
    with archives.opened(io.BytesIO(raw)) as archive, pytest.raises(Unreadable) as caught:
        archives.read_file(archive, 0, bytes_each=32_000_000)
    assert caught.value.problem == Problem.DAMAGED


def test_a_file_is_read_within_its_limit_or_told_to_be_damaged() -> None:
    data = bytearray(packed({"Ada/1.jpg": JPEG * 100, "Ada/2.jpg": JPEG * 100}).read())
    data[data.index(JPEG)] ^= 0xFF
    with archives.opened(io.BytesIO(data)) as archive:
        with pytest.raises(Unreadable) as caught:
            archives.read_file(archive, 0, bytes_each=5000)
        assert caught.value.problem == Problem.DAMAGED
        assert archives.read_file(archive, 1, bytes_each=5000) == JPEG * 100
        with pytest.raises(Unreadable) as caught:
            archives.read_file(archive, 1, bytes_each=100)
        assert caught.value.problem == Problem.TOO_LARGE


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 97])
def test_a_file_is_not_unpacked_by_another_method_than_the_usual(method: int) -> None:
    data = bytearray(packed({"Ada/1.jpg": JPEG}).read())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, method)
    with archives.opened(io.BytesIO(data)) as archive, pytest.raises(Unreadable) as caught:
        archives.read_file(archive, 0, bytes_each=1000)
    assert caught.value.problem == Problem.COMPRESSION


def test_a_file_that_lies_before_its_archive_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "people.zip"
    path.write_bytes(packed({"Ada/1.jpg": JPEG}).read())
    with path.open("rb") as file, archives.opened(file) as archive:
        archive.infolist()[0].header_offset = -5
        with pytest.raises(Unreadable) as caught:
            archives.read_file(archive, 0, bytes_each=1000)
    assert caught.value.problem == Problem.DAMAGED


WHOLE = packed({f"Ada/{number}.jpg": JPEG for number in range(3)}).read()


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), max_size=12))
def test_an_archive_with_any_bytes_changed_is_read_or_refused(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    try:
        found = archives.read_directory(io.BytesIO(data), **LIMITS)
    except BadArchive:
        return
    with archives.opened(io.BytesIO(data)) as archive:
        for entry in found:
            try:
                archives.read_file(archive, entry.index, bytes_each=1000)
            except Unreadable:
                continue


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_photo_of_many_megabytes_is_read_whole(packing: int) -> None:
    photo = random.Random(1).randbytes(5_000_000)  # noqa: S311 (no secret)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("Ann/a.jpg", photo)
    with archives.opened(file) as archive:
        assert archives.read_file(archive, 0, bytes_each=32_000_000) == photo
