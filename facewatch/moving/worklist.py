"""What is to be copied and what was, in a file of its own: millions of names, and a killed copy goes on from it."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

TABLES = """
CREATE TABLE IF NOT EXISTS known (
    name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, modified TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wanted (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, sha256 TEXT NOT NULL,
    may_change INTEGER NOT NULL, is_sure INTEGER NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Wanted:
    """A file that rows name, and the row that it goes with, as `photo:…`.

    `sha256` is empty unless the row has it. One that `may_change` is written anew under its name at times; one that is
    not `is_sure` may not have been written yet.
    """

    name: str
    owner: str
    sha256: str = ""
    may_change: bool = False
    is_sure: bool = True


@dataclass(frozen=True)
class Known:
    """A file that was copied: its length and hash, and when its source was last written if that may change."""

    name: str
    bytes: int
    sha256: str
    modified: str = ""


class Worklist:
    """The files wanted now, and those known from before; one at a time has it."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path)
        self._file.executescript(TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def want(self, files: Iterable[Wanted]) -> int:
        """Let the list be of these files; return how many are on it."""
        with self._file:
            self._file.execute("DELETE FROM wanted")
            rows = (astuple(file) for file in files)
            self._file.executemany("INSERT OR REPLACE INTO wanted VALUES (?, ?, ?, ?, ?)", rows)
        return int(self._file.execute("SELECT count(*) FROM wanted").fetchone()[0])

    def wanted(self) -> Iterator[tuple[Wanted, Known | None]]:
        """Yield the files on the list by name, with what is known of each."""
        found = self._file.cursor().execute(
            "SELECT wanted.*, known.bytes, known.sha256, known.modified"
            " FROM wanted LEFT JOIN known USING (name) ORDER BY wanted.name"
        )
        for name, owner, sha256, may_change, is_sure, *rest in found:
            file = Wanted(name, owner, sha256, bool(may_change), bool(is_sure))
            yield file, Known(name, *rest) if rest[0] is not None else None

    def learn(self, files: Iterable[Known]) -> None:
        """Note that files were copied."""
        with self._file:
            rows = (astuple(file) for file in files)
            self._file.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?, ?)", rows)

    def known(self, name: str) -> Known | None:
        """Return what is known of a file."""
        row = self._file.execute("SELECT * FROM known WHERE name = ?", [name]).fetchone()
        return Known(*row) if row else None

    def is_wanted(self, name: str) -> bool:
        """Return whether a file is on the list."""
        found = self._file.execute("SELECT 1 FROM wanted WHERE name = ?", [name]).fetchone()
        return found is not None

    def forget(self, names: Iterable[str]) -> None:
        """Note that files are there no longer."""
        with self._file:
            self._file.executemany("DELETE FROM known WHERE name = ?", ([name] for name in names))

    def forget_unwanted(self) -> None:
        """Forget what is not on the list."""
        with self._file:
            self._file.execute("DELETE FROM known WHERE name NOT IN (SELECT name FROM wanted)")
