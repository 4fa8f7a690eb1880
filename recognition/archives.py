"""Zip archives of photos, a folder for each person: what the directory of one says, and its files one by one.

An archive is a stranger's: its directory is read in bounded pieces, nothing is unpacked to a path that it names, and no
file of it may become larger than a photo may be.
"""

import errno
import re
import struct
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ledger.leases import StorageUnavailable
from recognition.bulk import SUFFIXES

#: Most files of one archive.
MOST_ENTRIES = 20_000
#: Most bytes of an archive's directory, which is read as a whole: about 200 for each of so many files.
MOST_DIRECTORY_BYTES = 4_000_000
#: How often larger than the largest archive its files may be together: photos are compressed already.
MOST_TIMES_UNPACKED = 4
#: A file of more than so many bytes that shrank to less than this share of them is no photo.
LEAST_BYTES_OF_A_BOMB, LEAST_SHARE = 1_000_000, 0.01
#: Longest name of a person.
MOST_LETTERS = 200
#: Files that systems and their file managers leave.
SYSTEM_FOLDERS, SYSTEM_FILES = {"__macosx"}, {".ds_store", "thumbs.db", "desktop.ini"}
#: Letters that are not printed but belong to names: those that join and part the letters of some scripts.
JOINERS = "\u200c\u200d"

#: How files may be packed: as they are, or as nearly every program does it.
COMPRESSIONS = {ZIP_STORED, ZIP_DEFLATED}
#: Bits of a file's flags: it is encrypted; its name is in UTF-8.
ENCRYPTED, UTF8 = 0x1, 0x800
#: Parts of a path that is a person's folder with a photo in it, and of one with a folder round all of these.
DEPTH = 2
#: What zipfile and zlib raise when an archive, or a file in it, is broken or not meant for us.
BROKEN = (
    BadZipFile,
    EOFError,
    LookupError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
    zlib.error,
)


class Problem(StrEnum):
    """Why a file of an archive is passed over."""

    SYSTEM = "system_file"
    HIDDEN = "hidden_file"
    UNSAFE = "unsafe_path"
    NOT_PHOTO = "not_a_photo"
    ENCRYPTED = "encrypted"
    COMPRESSION = "unknown_compression"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    BOMB = "shrunk_too_much"
    NO_FOLDER = "no_folder"
    NESTED = "nested"
    LONG_NAME = "long_name"
    DAMAGED = "damaged"


class BadArchive(Exception):
    """Nothing can be taken from this file; `code` says why, `problems` how many of its files have which problem."""

    def __init__(self, detail: str, *, code: str, problems: Counter[str] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.problems = problems or Counter()


class Unreadable(Exception):
    """One file cannot be taken out of its archive; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of an archive, as the directory has it: its place there, and whom its folder names ("" for nobody)."""

    index: int
    path: str
    name: str
    bytes: int
    problem: str


class _Bounded:
    """A file of which no more is read at once than a directory may have: zipfile reads the whole of it.

    Once the directory is read, `unbound` lets files be read in whatever pieces they are unpacked.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._is_bound = True
        #: What the storage raised instead of giving bytes.
        self.away: StorageUnavailable | None = None
        self.seek, self.tell = file.seek, file.tell

    def unbound(self) -> None:
        self._is_bound = False

    def read(self, size: int = -1) -> bytes:
        if not self._is_bound:
            return self._file.read(size)
        wanted = size if 0 <= size <= MOST_DIRECTORY_BYTES else MOST_DIRECTORY_BYTES + 1
        try:
            data = self._file.read(wanted)
        except StorageUnavailable as error:
            self.away = error
            raise
        if len(data) > MOST_DIRECTORY_BYTES:
            raise BadArchive("The archive lists too many files.", code="too_many_files")
        return data

    def seekable(self) -> bool:
        return True


@contextmanager
def opened(file: IO[bytes]) -> Iterator[ZipFile]:
    """Give the archive in a file. Raises BadArchive for what is none, and StorageUnavailable."""
    bounded = _Bounded(file)
    try:
        archive = ZipFile(bounded)
    except (*BROKEN, OSError) as error:
        if bounded.away:
            # zipfile takes it for an archive that is broken.
            raise bounded.away from error
        raise BadArchive("The file is not a zip archive, or is damaged.", code="not_zip") from error
    bounded.unbound()
    with archive:
        yield archive


def read_directory(file: IO[bytes], *, bytes_each: int, bytes_in_all: int) -> list[Entry]:
    """Return the files of an archive in its order, folders left out; nothing is unpacked.

    `bytes_each` is the most that one file may have, `bytes_in_all` the most that an archive may have, as stored. Raises
    BadArchive for what is no archive, too much, or without any photo that could be taken.
    """
    with opened(file) as archive:
        infos = archive.infolist()
    if len(infos) > MOST_ENTRIES:
        raise BadArchive("The archive lists too many files.", code="too_many_files")
    # Files that share their bytes would unpack to any size.
    if sum(info.compress_size for info in infos) > bytes_in_all:
        raise BadArchive("The files in the archive overlap.", code="overlapping_files")
    paths = [_path(info) for info in infos]
    files = [
        (index, info, path)
        for index, (info, path) in enumerate(zip(infos, paths, strict=True))
        if not path.endswith("/")
    ]
    entries = _place(
        [
            Entry(
                index=index,
                path=path,
                name="",
                bytes=info.file_size,
                problem=_problem(info, path, bytes_each=bytes_each),
            )
            for index, info, path in files
        ]
    )
    taken = [entry for entry in entries if not entry.problem]
    if not taken:
        problems = Counter(entry.problem for entry in entries)
        raise BadArchive("The archive has no photo to take.", code="no_photos", problems=problems)
    if sum(entry.bytes for entry in taken) > MOST_TIMES_UNPACKED * bytes_in_all:
        raise BadArchive("The archive unpacks to too much.", code="unpacks_to_too_much")
    return entries


def read_file(archive: ZipFile, index: int, *, bytes_each: int) -> bytes:
    """Return the bytes of the file at this place of the directory. Raises Unreadable; never unpacks more than that."""
    try:
        info = archive.infolist()[index]
        if info.file_size > bytes_each:
            raise Unreadable(Problem.TOO_LARGE)
        if info.compress_type not in COMPRESSIONS:
            raise Unreadable(Problem.COMPRESSION)
        with archive.open(info) as stream:
            data = stream.read(bytes_each + 1)
    except (*BROKEN, BadArchive) as error:
        raise Unreadable(Problem.DAMAGED) from error
    except OSError as error:
        # A place before the file's beginning is the archive's fault; anything else is the disk's.
        if error.errno != errno.EINVAL:
            raise
        raise Unreadable(Problem.DAMAGED) from error
    if len(data) > bytes_each:
        raise Unreadable(Problem.TOO_LARGE)
    return data


def _path(info: ZipInfo) -> str:
    """Return the path of a file with slashes, in composed letters: Windows writes backslashes, macOS UTF-8 unsaid."""
    text = info.filename
    if not info.flag_bits & UTF8:
        try:
            text = text.encode("cp437").decode()
        except UnicodeError:
            text = info.filename
    return unicodedata.normalize("NFC", text.replace("\\", "/"))


def _problem(info: ZipInfo, path: str, *, bytes_each: int) -> str:
    """Return what keeps a file from being taken whichever folder it is in; "" if nothing does."""
    parts = path.split("/")
    checks = (
        (_is_of_a_system(parts), Problem.SYSTEM),
        (_is_unsafe(path, parts), Problem.UNSAFE),
        (any(part.startswith(".") for part in parts), Problem.HIDDEN),
        (not path.lower().endswith(tuple(SUFFIXES)), Problem.NOT_PHOTO),
        (info.flag_bits & ENCRYPTED, Problem.ENCRYPTED),
        (info.compress_type not in COMPRESSIONS, Problem.COMPRESSION),
        (not info.file_size, Problem.EMPTY),
        (info.file_size > bytes_each, Problem.TOO_LARGE),
        (_is_bomb(info), Problem.BOMB),
    )
    return next((problem for holds, problem in checks if holds), "")


def _is_of_a_system(parts: Sequence[str]) -> bool:
    return parts[-1].lower() in SYSTEM_FILES or any(one.lower() in SYSTEM_FOLDERS for one in parts)


def _is_unsafe(path: str, parts: Sequence[str]) -> bool:
    """Return whether a path leads out of its archive, or has letters in it that are not seen."""
    return (
        any(part in {"", ".", ".."} for part in parts)
        or re.match("[A-Za-z]:", path) is not None
        or not all(letter.isprintable() or letter in JOINERS for letter in path)
    )


def _is_bomb(info: ZipInfo) -> bool:
    small = info.compress_size < LEAST_SHARE * info.file_size
    return info.file_size > LEAST_BYTES_OF_A_BOMB and small


def _place(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries with whom their folders name; one folder round all of the others is looked through."""
    fit = [entry.path.split("/") for entry in entries if not entry.problem]
    tops = {parts[0] for parts in fit}
    is_wrapped = len(tops) == 1 and all(len(parts) > DEPTH for parts in fit)
    return [_placed(entry, skip=int(is_wrapped and _top(entry) in tops)) for entry in entries]


def _top(entry: Entry) -> str:
    return entry.path.split("/")[0]


def _placed(entry: Entry, *, skip: int) -> Entry:
    parts = entry.path.split("/")[skip:]
    name = " ".join(parts[0].replace("_", " ").split()) if len(parts) >= DEPTH else ""
    if entry.problem in {Problem.SYSTEM, Problem.UNSAFE} or name.startswith("."):
        name = ""
    checks = (
        (not name, Problem.NO_FOLDER),
        (len(parts) > DEPTH, Problem.NESTED),
        (len(name) > MOST_LETTERS, Problem.LONG_NAME),
    )
    found = next((problem for holds, problem in checks if holds), "")
    return replace(entry, name=name[:MOST_LETTERS], problem=entry.problem or found)
