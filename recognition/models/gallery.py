"""Faces as numbers, and those by which people are known."""

import numpy as np
import numpy.typing as npt
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _

from recognition.models.people import Person
from recognition.models.photos import Face


class EmbeddingField(models.BinaryField):
    """One embedding, (D,) float32, stored as its bytes (little-endian, 4 D of them)."""

    def from_db_value(
        self, value: bytes | None, expression: object, connection: object
    ) -> npt.NDArray[np.float32] | None:
        return None if value is None else np.frombuffer(value, dtype="<f4")

    def get_db_prep_value(
        self,
        value: object,
        connection: BaseDatabaseWrapper,
        prepared: bool = False,  # noqa: FBT001, FBT002 (Django's signature)
    ) -> object:
        if isinstance(value, np.ndarray):
            value = value.astype("<f4").tobytes()
        return super().get_db_prep_value(value, connection, prepared)


class Embedding(models.Model):
    """A face as numbers, in a narrow table of its own so that millions are read fast."""

    #: Grows with each row, so that all are read in the order in which they lie on the disk.
    id = models.BigAutoField(primary_key=True)
    face = models.OneToOneField(Face, models.CASCADE, related_name="embedding")
    engine = models.CharField(max_length=40)
    vector = EmbeddingField()

    def __str__(self) -> str:
        return f"{self.engine} embedding of face {self.face_id}"


class KnownFace(models.Model):
    """An enrolled face: one by which a person is known. `revision` orders all changes of the gallery."""

    person = models.ForeignKey(Person, models.CASCADE, related_name="known_faces")
    face = models.OneToOneField(Face, models.CASCADE, related_name="known_as")
    revision = models.BigIntegerField(db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("known face")
        verbose_name_plural = _("known faces")
        ordering = ("created_at", "id")

    def __str__(self) -> str:
        return f"known face {self.pk}"


class Tombstone(models.Model):
    """The trace of a known face that was taken out of the gallery, for workers that still hold it."""

    known_face_id = models.BigIntegerField()
    revision = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"known face {self.known_face_id}, gone"


class GalleryState(models.Model):
    """One row: the number of the gallery's newest change. Its row lock puts writers in order."""

    revision = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"revision {self.revision}"
