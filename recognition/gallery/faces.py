"""Known faces in a few arrays, those of a person side by side: what a search passes over block by block.

People with as many faces as each other are neighbours, so that the nearest face of each is found by comparing whole
columns: at 1,000,000 faces that costs a tenth of the matrix product, where a reduction over parts of unequal length
costs as much as the product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.engine import Distances, Embeddings, Engine
from recognition.gallery.nearest import KEY, Keys, Nearest

#: Faces of a person up to which people are sorted by how many they have.
FEW = 8
#: Distances that are computed at once, 512 kB of them: they stay in a processor's cache. And the fewest faces.
BLOCK, LEAST_ROWS = 131_072, 2_048
#: Faces that are copied at once.
COPIED = 65_536

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """N faces of M people: those of person `people[j]` are the rows from `starts[j]` up to `starts[j + 1]`.

    `vectors` is (N, D) float32; `ids` and `revisions` are (N,), those of the known faces. `templates`, (T, D), are of
    the people `fused`, (T,), ascending: all with more than one face (`Engine.fuse`; one face is its own template).
    `by_person`, (M,), and `by_id`, (N,), are the places in the order of `people` and of `ids`.
    """

    people: Keys
    starts: Integers
    ids: Integers
    revisions: Integers
    vectors: Embeddings
    fused: Integers
    templates: Embeddings
    by_person: Integers
    by_id: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, person: bytes) -> int | None:
        """Return the place of a person among the people, or None."""
        return _find(self.people, np.array(person, KEY), by=self.by_person)

    def person_of(self, known_face: int) -> int | None:
        """Return the place of the person who has a face, by its id, or None."""
        row = _find(self.ids, np.int64(known_face), by=self.by_id)
        if row is None:
            return None
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def rows(self, place: int) -> slice:
        """Return where the faces of a person are."""
        return slice(int(self.starts[place]), int(self.starts[place + 1]))

    def search(
        self,
        probes: Embeddings,
        *,
        engine: Engine,
        near: Nearest,
        hidden: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Show every block of people to `near`, at their distance from the probes, (P, D); not those who are hidden."""
        rows = max(BLOCK // max(len(probes), 1), LEAST_ROWS)
        for first, last, each in self._blocks(rows):
            distances = self._to_people(probes, first, last, each=each, engine=engine)
            if hidden is not None:
                distances[:, hidden[first:last]] = np.inf
            near.take(self.people[first:last], distances)

    def _blocks(self, rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield people from one to another with about so many faces, and how many each has: 0 if more than FEW."""
        counts = np.diff(self.starts)
        edges = np.searchsorted(np.minimum(counts, FEW + 1), np.arange(1, FEW + 3)).tolist()
        for each, (begin, end) in enumerate(pairwise(edges), start=1):
            first = begin
            while first < end:
                full = np.searchsorted(self.starts, self.starts[first] + rows, side="right") - 1
                last = min(max(int(full), first + 1), end)
                yield first, last, each if each <= FEW else 0
                first = last

    def _to_people(
        self, probes: Embeddings, first: int, last: int, *, each: int, engine: Engine
    ) -> Distances:
        """Return the distance of each probe to the people from one to another (`engine.person_distances`)."""
        begin, end = self.starts[first], self.starts[last]
        distances = engine.distances(probes, self.vectors[begin:end])
        if each == 1:
            return distances
        if each:
            nearest = distances[:, ::each]
            for face in range(1, each):
                nearest = np.minimum(nearest, distances[:, face::each])
        else:
            nearest = np.minimum.reduceat(distances, self.starts[first:last] - begin, axis=1)
        low, high = np.searchsorted(self.fused, [first, last])
        return np.minimum(nearest, engine.distances(probes, self.templates[low:high]))


class Unsorted:
    """Faces as they come in, with room for more than so many if need be."""

    def __init__(self, *, room: int, engine: Engine) -> None:
        self._engine = engine
        self._people = np.empty(room, KEY)
        self._ids = np.empty(room, np.int64)
        self._revisions = np.empty(room, np.int64)
        self._vectors = np.empty((room, engine.dimensions), np.float32)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, person: bytes, *, known_face: int, revision: int, vector: npt.ArrayLike) -> None:
        """Take one in."""
        self.put_all(
            [person], ids=[known_face], revisions=[revision], vectors=np.asarray(vector)[None]
        )

    def put_all(
        self,
        people: Sequence[bytes],
        *,
        ids: Sequence[int],
        revisions: Sequence[int],
        vectors: npt.ArrayLike,
    ) -> None:
        """Take several in: the faces `ids` of these people, whose vectors are (N, D)."""
        begin, end = self._count, self._count + len(ids)
        if end > len(self._ids):
            self._make_room(max(end, 2 * begin, 64))
        self._people[begin:end] = people
        self._ids[begin:end] = ids
        self._revisions[begin:end] = revisions
        self._vectors[begin:end] = vectors
        self._count = end

    def lay_out(self) -> Faces:
        """Return them in the order in which they are searched."""
        taken = slice(self._count)
        people, owner, counts = np.unique(
            self._people[taken], return_inverse=True, return_counts=True
        )
        order = _order(people, counts)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        rows = np.argsort(place[owner], kind="stable")
        vectors = self._vectors[rows]
        starts = _starts(counts[order])
        fused = np.flatnonzero(counts[order] > 1)
        templates = [
            self._engine.fuse(vectors[starts[one] : starts[one + 1]]) for one in fused.tolist()
        ]
        return _faces(
            people=people[order],
            starts=starts,
            ids=self._ids[rows],
            revisions=self._revisions[rows],
            vectors=vectors,
            fused=fused,
            templates=np.array(templates, np.float32).reshape(len(fused), vectors.shape[1]),
        )

    def _make_room(self, room: int) -> None:
        for name in ("_people", "_ids", "_revisions", "_vectors"):
            before = getattr(self, name)
            more = np.empty((room, *before.shape[1:]), before.dtype)
            more[: self._count] = before[: self._count]
            setattr(self, name, more)


def nobody(engine: Engine) -> Faces:
    """Return no faces at all."""
    return Unsorted(room=0, engine=engine).lay_out()


def merge(base: Faces, added: Faces, *, hidden: npt.NDArray[np.bool_]) -> Faces:
    """Return the faces of both; of the people of `base` only those who are not hidden, and nobody who is in both."""
    kept = np.flatnonzero(~hidden)
    keys = np.concatenate([base.people[kept], added.people])
    counts = np.concatenate([np.diff(base.starts)[kept], np.diff(added.starts)])
    order = _order(keys, counts)
    starts = _starts(counts[order])
    # Rows of `added` count on from those of `base`.
    sources = np.concatenate([base.starts[:-1][kept], added.starts[:-1] + len(base)])[order]
    rows = np.repeat(sources - starts[:-1], counts[order]) + np.arange(starts[-1])
    template = np.concatenate([_templates(base)[kept], _templates(added, offset=len(base.fused))])
    fused = np.flatnonzero(template[order] >= 0)
    return _faces(
        people=keys[order],
        starts=starts,
        ids=np.concatenate([base.ids, added.ids])[rows],
        revisions=np.concatenate([base.revisions, added.revisions])[rows],
        vectors=_gather(base.vectors, added.vectors, rows),
        fused=fused,
        templates=_gather(base.templates, added.templates, template[order][fused]),
    )


def _faces(*, people: Keys, ids: Integers, **arrays: Any) -> Faces:
    return Faces(
        people=people, ids=ids, by_person=np.argsort(people), by_id=np.argsort(ids), **arrays
    )


def _order(keys: Keys, counts: Integers) -> Integers:
    """Return the order in which people lie: by how many faces they have, then by their ids."""
    return np.lexsort((keys, np.minimum(counts, FEW + 1)))


def _starts(counts: Integers) -> Integers:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def _templates(faces: Faces, *, offset: int = 0) -> Integers:
    """Return which template each person has, (M,), counted on from an offset; -1 for none."""
    found = np.full(len(faces.people), -1, np.int64)
    found[faces.fused] = np.arange(len(faces.fused)) + offset
    return found


def _gather(first: Embeddings, second: Embeddings, rows: Integers) -> Embeddings:
    """Return rows of two arrays, of which the second counts on from the first; in pieces, to need little room."""
    found = np.empty((len(rows), first.shape[1]), np.float32)
    for start in range(0, len(rows), COPIED):
        some = rows[start : start + COPIED]
        out = found[start : start + COPIED]
        of_first = some < len(first)
        out[of_first] = first[some[of_first]]
        out[~of_first] = second[some[~of_first] - len(first)]
    return found


def _find(values: npt.NDArray[Any], value: Any, *, by: Integers) -> int | None:
    """Return where a value is, given the places in the order of values; None if nowhere."""
    place = int(np.searchsorted(values, value, sorter=by))
    if place == len(by) or values[by[place]] != value:
        return None
    return int(by[place])
