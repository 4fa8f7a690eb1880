"""Files that survive a crash: whole or absent, never half written."""

import errno
import os
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from ledger import crashpoints
from ledger.leases import StorageUnavailable

#: What the system answers when the server of a shared folder is away, or its connection broken.
AWAY = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENODEV, errno.ENXIO),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNREFUSED),
}
#: What it answers where folders cannot be synced: some network file systems do so by themselves, or never.
CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def refuse(*, problem: str) -> NoReturn:
    """Raise ImproperlyConfigured: there is no storage at an address that cannot be used."""
    raise ImproperlyConfigured(problem)


@deconstructible(path="facewatch.storage.DurableStorage")
class DurableStorage(FileSystemStorage):
    """Files under MEDIA_ROOT, written to a temporary name, synced to the disk, then renamed into place.

    Saving under a name that is taken replaces the file in one step. Nothing has a public URL.
    """

    def __init__(self, *, location: str | None = None) -> None:
        super().__init__(
            location=location,
            allow_overwrite=True,
            file_permissions_mode=self._mode(0o640),
            directory_permissions_mode=self._mode(0o750),
        )

    @staticmethod
    def _mode(mode: int) -> int:
        """Return the rights of what is stored: the group has some only if a proxy reads it."""
        return mode if settings.ACCEL else mode & 0o700

    def _save(self, name: str, content: "File[Any]") -> str:
        path = self.path(name)
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=self._mode(0o750), exist_ok=True)
        draft = os.path.join(folder, f".{uuid.uuid4().hex}.part")
        try:
            with open(draft, "xb", opener=self._opened) as file:
                file.writelines(content.chunks())
                file.flush()
                os.fsync(file.fileno())
            crashpoints.reach("storage: draft written")
            os.replace(draft, path)
        except BaseException:
            if os.path.exists(draft):
                os.unlink(draft)
            raise
        crashpoints.reach("storage: file in place")
        _sync_folder(folder)
        return name

    def _opened(self, path: str, flags: int) -> int:
        return os.open(path, flags, self._mode(0o640))

    def url(self, name: str | None) -> str:
        raise ValueError("Photos have no public address; link to the view that checks permission.")

    def walk(self, folder: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the folders two levels down with the names of their files, in the order of chance.

        Each is listed when it is asked for; one that vanishes meanwhile is left out.
        """
        for shard in self._folders(folder):
            for inner in self._folders(shard):
                try:
                    files = self.listdir(inner)[1]
                except FileNotFoundError:
                    continue
                yield inner, files

    def _folders(self, folder: str) -> list[str]:
        try:
            names = self.listdir(folder)[0]
        except FileNotFoundError:
            return []
        random.shuffle(names)
        return [f"{folder}/{name}" for name in names]

    def probe(self) -> None:
        """Raise OSError if the storage does not answer."""

    def try_out(self) -> None:
        """Write a file and remove it. Raises OSError where that is not possible."""
        name = f".facewatch-{uuid.uuid4().hex}"
        self.save(name, ContentFile(b"tried out"))
        self.delete(name)


@deconstructible(path="facewatch.storage.SharedStorage")
class SharedStorage(DurableStorage):
    """The same in a folder that several machines share, and that may be away: not mounted, or its server not reached.

    Then StorageUnavailable is raised. The folder is never made, because it would be made where the other machines do
    not see it; so what is missing is only gone if the folder is there.
    """

    def open(self, name: str, mode: str = "rb") -> "File[Any]":
        with self._reached():
            return super().open(name, mode)

    def _save(self, name: str, content: "File[Any]") -> str:
        self.probe()
        with self._reached():
            return super()._save(name, content)

    def delete(self, name: str) -> None:
        self.probe()
        with self._reached():
            super().delete(name)

    def exists(self, name: str) -> bool:
        self.probe()
        return super().exists(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with self._reached():
            return super().listdir(path)

    def size(self, name: str) -> int:
        with self._reached():
            return super().size(name)

    def get_modified_time(self, name: str) -> datetime:
        with self._reached():
            return super().get_modified_time(name)

    def probe(self) -> None:
        """Raise StorageUnavailable if the folder is not there."""
        try:
            os.stat(os.path.join(self.location, ""))
        except OSError as error:
            raise _away(error) from error

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable:
            raise
        except FileNotFoundError:
            self.probe()
            raise
        except OSError as error:
            if error.errno in AWAY:
                raise _away(error) from error
            raise


def _away(error: OSError) -> StorageUnavailable:
    return StorageUnavailable(f"The shared folder of the photos is away: {error.strerror}")


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
    finally:
        os.close(handle)
