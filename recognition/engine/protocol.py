"""What an engine does, whichever models it has."""

from collections.abc import Sequence
from typing import Protocol

from recognition.engine.pictures import Picture
from recognition.engine.types import (
    Chip,
    Detail,
    Detection,
    Distances,
    Embedding,
    Embeddings,
    Image,
    Thresholds,
)


class Engine(Protocol):
    """Finds faces, and turns them into numbers whose distance says how alike two faces are.

    An engine holds its models in memory: load it once per process and share it. Calls from several threads are safe,
    but need not run side by side.
    """

    @property
    def name(self) -> str:
        """What `load` calls it; embeddings of engines with different names must never be compared."""

    @property
    def dimensions(self) -> int:
        """D, the length of an embedding."""

    @property
    def thresholds(self) -> Thresholds:
        """The distances to use until they are measured on your own people."""

    def detect(
        self, photo: Picture | Image, *, detail: Detail = Detail.BALANCED
    ) -> list[Detection]:
        """Return the faces of a photo from left to right, in its pixels; none is an empty list. Raises ImageError."""

    def align(self, chip: Chip) -> Image:
        """Return the model's input for a chip: the face upright, centred and scaled as the model wants it.

        The chip's landmarks must be of this engine. For a chip of another engine call `detect(chip.pixels)` first.
        """

    def embed(self, aligned: Sequence[Image]) -> Embeddings:
        """Return one embedding a picture that `align` made, in order, (N, D) float32; nothing gives (0, D)."""

    def fuse(self, embeddings: Embeddings) -> Embedding:
        """Return the template of one person, (D,), from one or more of their embeddings, (N, D)."""

    def distances(self, probes: Embeddings, gallery: Embeddings) -> Distances:
        """Return the exact distance of every probe (P, D) to every gallery row (N, D), as (P, N) float32.

        Symmetric, clipped at 0. Either side may be empty.
        """
