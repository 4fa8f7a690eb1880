"""The field of a form that takes several photos."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from recognition.incoming import take, tell

__all__ = ["PhotosField", "PhotosInput", "take", "tell"]


class PhotosInput(forms.FileInput):
    """A file input that takes several photos."""

    allow_multiple_selected = True

    def __init__(self) -> None:
        super().__init__(attrs={"accept": "image/jpeg,image/png,image/webp"})


class PhotosField(forms.FileField):
    """Any number of files, as they came: one bad file must not make the whole form invalid."""

    widget = PhotosInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Return the files, none if there are none. Raises ValidationError if the field is required."""
        files = list(data or [])
        if self.required and not files:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return files
