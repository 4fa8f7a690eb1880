"""Photos of a folder, again and again, each time with bytes of their own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

#: The two first bytes of a JPEG.
BEGIN = b"\xff\xd8"


class Copies(Iterator[bytes]):
    """JPEG files, one after the other, for ever; each differs from all before by a comment."""

    def __init__(self, folder: Path) -> None:
        files = [
            path
            for path in sorted(folder.rglob("*.jp*g"))
            if path.is_file() and path.read_bytes()[:2] == BEGIN
        ]
        if not files:
            raise FileNotFoundError(f"There is no JPEG in {folder}.")
        self.names = [path.name for path in files]
        self._files = itertools.cycle(files)
        self._numbers = itertools.count()

    def __next__(self) -> bytes:
        data = next(self._files).read_bytes()
        text = f"{next(self._numbers):08}".encode()
        # A comment: FF FE, and its length with these two bytes.
        return BEGIN + b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text + data[2:]
