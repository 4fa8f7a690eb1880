"""Zip archives as people send them, and as nobody should."""

import io
import zipfile
from collections.abc import Mapping

from django.core.files.uploadedfile import SimpleUploadedFile


def packed(files: Mapping[str, bytes], *, name: str = "people.zip") -> SimpleUploadedFile:
    """Return an archive of these files by their paths."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return SimpleUploadedFile(name, data.getvalue(), content_type="application/zip")
