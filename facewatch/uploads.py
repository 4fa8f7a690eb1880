"""Uploads are counted while they arrive: Django limits form fields, but not files."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, TemporaryFileUploadHandler


class LimitedUploadHandler(FileUploadHandler):
    """Passes every chunk on to the next handler until one file has more than FACEWATCH_MAX_UPLOAD_MB."""

    @property
    def limit(self) -> int:
        """The most bytes of one file."""
        return int(settings.MAX_UPLOAD_BYTES)

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Return the chunk as it is. Raises RequestDataTooBig, which ends the request."""
        self._received += len(raw_data)
        if self._received > self.limit:
            # The error's traceback would keep the handlers, and one of them its temporary file, for a while.
            for handler in self.request.upload_handlers if self.request else ():
                handler.upload_interrupted()
            raise RequestDataTooBig(f"A file may have up to {self.limit / 1e6:g} MB.")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave the file to the next handler."""


class LimitedArchiveHandler(LimitedUploadHandler):
    """The same for archives: until one has more than FACEWATCH_MAX_ARCHIVE_MB."""

    @property
    def limit(self) -> int:
        return int(settings.MAX_ARCHIVE_BYTES)


class TidyFileUploadHandler(TemporaryFileUploadHandler):
    """Keeps large files in the data folder, and takes back at once one for which there is no room."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        with self._tidy():
            return super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        with self._tidy():
            return super().file_complete(file_size)

    @contextmanager
    def _tidy(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # Closing it writes what is left in memory, for which there is no room either.
            with suppress(OSError):
                self.upload_interrupted()
            raise
