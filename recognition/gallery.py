"""The known faces in memory, exact and always fresh: what a probe is searched in.

Each writer takes the next revision first, and its row lock puts writers in order, so that a reader who has seen
revision N has seen all before it. Rows carry their revision and removals leave tombstones; both are read in one
statement, because in two of them one in ten snapshots was torn.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.models import BinaryField, F, UUIDField, Value

from recognition import engine as engines
from recognition.engine import Embeddings, Engine
from recognition.models import GalleryState, KnownFace, Tombstone


def next_revision() -> int:
    """Return a new revision; call it first in the transaction that changes known faces, or it raises."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A revision outside a transaction would order nothing.")
    GalleryState.objects.filter(pk=1).update(revision=F("revision") + 1)
    return GalleryState.objects.values_list("revision", flat=True).get(pk=1)


def revision() -> int:
    """Return the newest revision that is committed."""
    return GalleryState.objects.values_list("revision", flat=True).get(pk=1)


def hold_revision() -> int:
    """Return the newest revision, which stays the newest until the transaction ends; call it first in that.

    Those who hold it do not wait for each other, and writers wait for all of them.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("Outside a transaction nothing is held.")
    # On SQLite a transaction that writes is alone anyway.
    if not connection.features.has_select_for_update:
        return revision()
    with connection.cursor() as cursor:
        cursor.execute("SELECT revision FROM recognition_gallerystate WHERE id = 1 FOR SHARE")
        return int(cursor.fetchone()[0])


def wait_for_holders() -> None:
    """Return once nobody holds the revision any more, and let nobody hold it until the transaction ends."""
    GalleryState.objects.select_for_update().get(pk=1)


def remove(known_faces: Iterable[KnownFace]) -> None:
    """Take faces out of the gallery of every worker; call it in a transaction."""
    # Whoever enters one at this moment is waited for, else it could go with its photo and leave no tombstone.
    wait_for_holders()
    gone = list(known_faces)
    if not gone:
        return
    revision = next_revision()
    Tombstone.objects.bulk_create(
        Tombstone(known_face_id=known.pk, revision=revision) for known in gone
    )
    KnownFace.objects.filter(pk__in=[known.pk for known in gone]).delete()


@dataclass(frozen=True, kw_only=True)
class PersonDistances:
    """Every probe to every person: `distances` is (P, M) float32, column j the person `people[j]`."""

    people: list[uuid.UUID]
    distances: npt.NDArray[np.float32]


class Gallery:
    """The known faces of one engine, as one matrix. Not for several threads at once."""

    def __init__(self, *, engine: str, dimensions: int) -> None:
        self._engine = engine
        self._revision = 0
        self._vectors = np.empty((64, dimensions), dtype=np.float32)
        self._codes = np.empty(64, dtype=np.intp)
        self._rows: dict[int, int] = {}
        self._ids: list[int] = []
        self._people: list[uuid.UUID] = []
        self._code_of: dict[uuid.UUID, int] = {}
        self._templates = np.empty((64, dimensions), dtype=np.float32)
        #: People whose templates are of other faces than they have now.
        self._changed: set[int] = set()
        self._arranged = _arrange(self._codes[:0])

    def __len__(self) -> int:
        return len(self._ids)

    def refresh(self) -> None:
        """Take over all changes that were committed before this call; none cost one indexed query."""
        known = KnownFace.objects.filter(
            revision__gt=self._revision, face__embedding__engine=self._engine
        ).values_list("revision", "pk", "person_id", "face__embedding__vector")
        gone = (
            Tombstone.objects.filter(revision__gt=self._revision)
            .annotate(
                person=Value(None, output_field=UUIDField()),
                vector=Value(None, output_field=BinaryField()),
            )
            .values_list("revision", "known_face_id", "person", "vector")
        )
        # A known face that was removed has no row any more, so the order within the answer does not matter.
        rows = cast(
            "Iterable[tuple[int, int, uuid.UUID | None, Any]]",
            known.order_by().union(gone.order_by(), all=True),
        )
        for revision, pk, person_id, vector in rows:
            if person_id is None:
                self._remove(pk)
            else:
                self._put(pk, person_id, vector)
            self._revision = max(self._revision, revision)

    def search(self, probes: Embeddings, *, engine: Engine) -> PersonDistances:
        """Return the distance of each probe, (P, D), to each person, exactly (`engine.person_distances`).

        Refreshes first, so that a person enrolled now is found now. Nobody known gives (P, 0).
        """
        self.refresh()
        self._fuse_changed(engine)
        people, starts, order = self._arranged
        to_faces = engine.distances(probes, self._vectors[: len(order)])
        # People whose faces are all gone keep a column of infinities, which no threshold lets through.
        distances = np.full((len(probes), len(self._people)), np.inf, dtype=np.float32)
        distances[:, people] = engines.person_distances(
            to_faces[:, order], starts, engine.distances(probes, self._templates[people])
        )
        return PersonDistances(people=list(self._people), distances=distances)

    def _fuse_changed(self, engine: Engine) -> None:
        """Bring the templates, and the order of the faces by person, to what `refresh` has read."""
        if not self._changed:
            return
        self._arranged = people, starts, order = _arrange(self._codes[: len(self._ids)])
        if len(self._templates) < len(self._people):
            more = np.empty((2 * len(self._people), self._templates.shape[1]), dtype=np.float32)
            more[: len(self._templates)] = self._templates
            self._templates = more
        ends = [*starts[1:], len(order)]
        for code, start, end in zip(people.tolist(), starts, ends[: len(people)], strict=True):
            if code in self._changed:
                self._templates[code] = engine.fuse(self._vectors[order[start:end]])
        self._changed.clear()

    def _put(self, pk: int, person_id: uuid.UUID, vector: npt.NDArray[np.float32]) -> None:
        row = self._rows.get(pk)
        if row is None:
            row = self._rows[pk] = len(self._ids)
            self._ids.append(pk)
            if row == len(self._vectors):
                self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
                self._codes = np.concatenate([self._codes, np.empty_like(self._codes)])
        else:
            # The face of a person who was merged moves to another one.
            self._changed.add(int(self._codes[row]))
        if person_id not in self._code_of:
            self._code_of[person_id] = len(self._people)
            self._people.append(person_id)
        self._vectors[row] = vector
        self._codes[row] = self._code_of[person_id]
        self._changed.add(self._code_of[person_id])

    def _remove(self, pk: int) -> None:
        """Fill the place of a face with the last one; an unknown face is no error."""
        row = self._rows.pop(pk, None)
        if row is None:
            return
        self._changed.add(int(self._codes[row]))
        last = len(self._ids) - 1
        moved = self._ids.pop()
        if row != last:
            self._ids[row] = moved
            self._rows[moved] = row
            self._vectors[row] = self._vectors[last]
            self._codes[row] = self._codes[last]


class _Arranged(NamedTuple):
    """Who has faces, (M,); where each one's begin in `order`, (M,); and the rows of the faces by person, (N,)."""

    people: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    order: npt.NDArray[np.intp]


def _arrange(codes: npt.NDArray[np.intp]) -> _Arranged:
    order = np.argsort(codes, kind="stable")
    people, starts = np.unique(codes[order], return_index=True)
    return _Arranged(people, starts, order)
