"""The known faces, always fresh: what a probe is searched in, whichever way they are held.

>>> from recognition import gallery
>>> found = known.search(probes)
>>> found.people, found.distances
"""

from typing import Protocol

from recognition.engine import Embeddings
from recognition.gallery.nearest import PersonDistances
from recognition.gallery.revisions import (
    hold_revision,
    next_revision,
    remove,
    revision,
    wait_for_holders,
)

__all__ = [
    "Gallery",
    "PersonDistances",
    "hold_revision",
    "next_revision",
    "remove",
    "revision",
    "wait_for_holders",
]


class Gallery(Protocol):
    """The known faces of one engine, as one worker process searches them."""

    def settle(self) -> None:
        """Bring what is held in order, before a search; may take seconds, so call it where nobody waits for a lock."""

    def search(self, probes: Embeddings, /) -> PersonDistances:
        """Return the distance of each probe, (P, D), to each person who matters to one of them (`nearest.Nearest`).

        What was committed before is in it. Nobody known gives (P, 0).
        """
