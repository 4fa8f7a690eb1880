"""Disks of a few megabytes, so that a full one is caused and not pretended."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

#: Mounts a disk where only this process and its children see it, says so, and waits for its standard input to end.
OWN_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Make a folder that is a disk of its own with so many `megabytes` (1,048,576 bytes each); gone after the test.

    Whoever may not mount gets it from a namespace: good for this process, not for those that it starts.
    """
    mounted: list[Path] = []
    holders: list[subprocess.Popen[str]] = []

    def make(*, megabytes: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted) + len(holders)}"
        folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)]
        if subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0:
            mounted.append(folder)
            return folder
        script = 'mount "$@" && echo mounted && read end'
        holder = subprocess.Popen(
            [*OWN_NAMESPACE, script, "sh", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        holders.append(holder)
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip("neither mount nor unshare is allowed here, so that no disk can be full")
        return Path(f"/proc/{holder.pid}/root{folder}")

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
    for holder in holders:
        holder.communicate()


def fill(folder: Path, *, leaving: int) -> Path:
    """Write a file that leaves about so many bytes free on the folder's disk (rounded to a page); return it."""
    filler = folder / "filler"
    size = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize - leaving
    with filler.open("wb") as file:
        try:
            for start in range(0, size, 4096):
                file.write(bytes(min(4096, size - start)))
            file.flush()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return filler
