"""The people near a probe, gathered block by block, without keeping the distance to everybody."""

import uuid
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition.engine import Distances

#: A person's id as an array holds it: its 16 bytes.
KEY = np.dtype("S16")
Keys = npt.NDArray[np.bytes_]


@dataclass(frozen=True, kw_only=True)
class PersonDistances:
    """Every probe to every person that matters: `distances` is (P, M) float32, column j the person `people[j]`."""

    people: list[uuid.UUID]
    distances: Distances


class Nearest:
    """Who matters to some probes: who is within a limit of any of them, and the two who are nearest to each.

    The second nearest says by how much the nearest leads.
    """

    def __init__(self, probes: int, *, limit: float) -> None:
        self._limit = limit
        self._two = np.full((probes, 2), np.inf, dtype=np.float32)
        self._keys: list[Keys] = [np.empty(0, KEY)]
        self._distances: list[Distances] = [np.empty((probes, 0), np.float32)]

    def take(self, people: Keys, distances: Distances) -> None:
        """Look at a block of people, (M,), and the distances to them, (P, M); infinite is nobody."""
        columns = self._matter(distances)
        if len(columns):
            kept = distances[:, columns]
            self._two = np.partition(np.concatenate([self._two, kept], axis=1), 1, axis=1)[:, :2]
            self._keys.append(people[columns])
            self._distances.append(kept)

    def found(self) -> PersonDistances:
        """Return those who matter of all blocks so far. Nobody known gives (P, 0)."""
        distances = np.concatenate(self._distances, axis=1)
        columns = self._matter(distances)
        keys = np.concatenate(self._keys)[columns]
        return PersonDistances(
            people=[to_uuid(key) for key in keys.tolist()], distances=distances[:, columns]
        )

    def _matter(self, distances: Distances) -> npt.NDArray[np.intp]:
        reach = np.minimum(np.maximum(self._two[:, 1], self._limit), np.finfo(np.float32).max)
        return np.flatnonzero((distances <= reach[:, None].astype(np.float32)).any(axis=0))


def to_uuid(key: bytes) -> uuid.UUID:
    """Return the id of which an array holds the bytes, of which it gives no zeros at the end."""
    return uuid.UUID(bytes=key.ljust(KEY.itemsize, b"\0"))
