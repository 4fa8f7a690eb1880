"""The field of a form that takes several photos."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _lazy

#: Files that one form may bring; Django takes no more in one request.
MOST_FILES = 100
#: What the script of a field says, by attribute; LIMIT, COUNT and NAME stand for what it knows.
ATTRIBUTES = {
    "data-files": "",
    "data-drop-text": _lazy("or drop them here"),
    "data-remove-text": _lazy("Remove NAME"),
    "data-clear-text": _lazy("Remove all"),
    "data-count-text": _lazy("Files to send: COUNT"),
    "data-large-text": _lazy("Not sent: it has more than LIMIT MB. Choose a smaller copy."),
    "data-type-text": _lazy("Not sent: it is no JPEG, PNG or WebP picture."),
    "data-most-text": _lazy("Not sent: a form takes LIMIT files at once. Save, and add it then."),
}


class PhotosInput(forms.FileInput):
    """A file input that takes several photos, chosen or dropped; its script shows them, and says why some cannot be.

    Without the script it is the browser's own field.
    """

    allow_multiple_selected = True

    class Media:
        css: ClassVar = {"all": ["admin-facewatch/files.css"]}
        js: ClassVar = [forms.Script("admin-facewatch/files.js", type="module")]

    def __init__(self) -> None:
        super().__init__(attrs={"accept": "image/jpeg,image/png,image/webp", **ATTRIBUTES})

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        limits = {"data-limit": settings.MAX_UPLOAD_BYTES, "data-most": MOST_FILES}
        return super().get_context(name, value, limits | (attrs or {}))


class PhotosField(forms.FileField):
    """Any number of files, as they came: one bad file must not make the whole form invalid."""

    widget = PhotosInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Return the files, none if there are none. Raises ValidationError if the field is required."""
        files = list(data or [])
        if self.required and not files:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files
