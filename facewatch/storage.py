"""Files that survive a crash: whole or absent, never half written."""

import os
import uuid
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from ledger import crashpoints


@deconstructible(path="facewatch.storage.DurableStorage")
class DurableStorage(FileSystemStorage):
    """Files under MEDIA_ROOT, written to a temporary name, synced to the disk, then renamed into place.

    Saving under a name that is taken replaces the file in one step. Nothing has a public URL.
    """

    def __init__(self) -> None:
        super().__init__(
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


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
