"""The known faces in memory, searched exactly: what nearly every installation has.

They lie in two layers of `Faces`, which never change: nearly all in the lower one, and in the upper one everybody of
whom a face has changed since, with all faces. Who has changed just now is kept apart until a layer is made of it. So a
change costs little however many faces are known. A large lower layer is mapped from a snapshot on the disk, which one
worker of the machine writes for all.
"""

import logging
import time
import uuid
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recognition.engine import Embeddings, Engine
from recognition.gallery import faces, revisions, snapshots
from recognition.gallery.faces import Faces, Unsorted
from recognition.gallery.nearest import Nearest, PersonDistances, to_uuid
from recognition.gallery.snapshots import Snapshot
from recognition.models import KnownFace

#: Faces from which on the workers of a machine share them: 150 MB, which each would hold otherwise.
MAPPED_FROM = 300_000
#: Faces that are kept apart at the most before they go into the upper layer.
APART = 256
#: Faces in which the lower layer is out of date at the most before both become one: so many, or a part of it.
LEAST_ABOVE, SHARE_ABOVE = 2_048, 1 / 16
#: Seconds after which a snapshot is written anew for any change: whoever was forgotten is in none after that.
RENEWED_SECONDS = 86_400.0
#: Times that a snapshot is compared with the database while that changes.
TRIES = 20

logger = logging.getLogger(__name__)


class _Known(NamedTuple):
    revision: int
    vector: npt.NDArray[np.float32]


class _Layer:
    """Faces that never change, and who of their people is in a higher layer by now."""

    def __init__(self, held: Faces) -> None:
        self.faces = held
        self.hidden = np.zeros(len(held.people), bool)

    def find(self, person: bytes) -> int | None:
        """Return the place of a person who is not hidden."""
        place = self.faces.find(person)
        return None if place is None or self.hidden[place] else place

    def owner_of(self, known_face: int) -> bytes | None:
        """Return who has a face, if that person is not hidden."""
        place = self.faces.person_of(known_face)
        if place is None or self.hidden[place]:
            return None
        return to_uuid(self.faces.people[place]).bytes

    def take(self, person: bytes) -> dict[int, _Known]:
        """Hide a person, and return their faces; none if the person is not here."""
        place = self.find(person)
        if place is None:
            return {}
        self.hidden[place] = True
        rows = self.faces.rows(place)
        ids, numbers = self.faces.ids[rows].tolist(), self.faces.revisions[rows].tolist()
        known = map(_Known, numbers, self.faces.vectors[rows])
        return dict(zip(ids, known, strict=True))

    def hidden_rows(self) -> int:
        """Return how many faces of those who are hidden are still here."""
        return int(np.diff(self.faces.starts)[self.hidden].sum())

    def sums(self) -> revisions.Sums:
        """Return the sums of the faces of those who are not hidden."""
        shown = np.repeat(~self.hidden, np.diff(self.faces.starts))
        return revisions.Sums(
            faces=int(shown.sum()),
            ids=int(self.faces.ids[shown].sum()),
            revisions=int(self.faces.revisions[shown].sum()),
        )


class ExactGallery:
    """The known faces of one engine. Not for several threads at once.

    folder is where snapshots lie, for galleries of `mapped_from` faces and more; without one there are none.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        folder: Path | None = None,
        mapped_from: int = MAPPED_FROM,
        apart: int = APART,
        least_above: int = LEAST_ABOVE,
    ) -> None:
        self._engine = engine
        self._folder = folder
        self._mapped_from = mapped_from
        self._most_apart = apart
        self._least_above = least_above
        self._revision = 0
        self._is_loaded = self._has_changed = False
        self._start_from(faces.nobody(engine))

    def __len__(self) -> int:
        return sum(layer.sums().faces for layer in self._layers())

    @property
    def is_mapped(self) -> bool:
        """Whether most faces are in a snapshot that is shared with other processes."""
        return self._snapshot is not None

    def refresh(self) -> None:
        """Take over all changes that were committed before; none cost one indexed query."""
        self.settle()
        self._read_changes()
        self.settle()

    def settle(self) -> None:
        """Read everything at the first call, and later make one of the layers when it is time for that.

        It may take seconds: call it where nobody waits for a lock. Mostly it costs nothing.
        """
        if not self._is_loaded:
            self._load()
            self._is_loaded = True
            self._has_changed = False
        elif self._has_changed or self._is_old():
            self._settle()
            self._has_changed = False

    def forget(self) -> None:
        """Read everything anew at the next search, and let no worker that starts use the snapshots."""
        self._remove_snapshots()
        self._start_from(faces.nobody(self._engine))
        self._revision, self._is_loaded = 0, False

    def search(self, probes: Embeddings, /) -> PersonDistances:
        """Return the distance of each probe, (P, D), to each person who matters to one (`Nearest`), exactly.

        What was committed before is in it, so that a person enrolled now is found now. Nobody known gives (P, 0).
        """
        if self._is_loaded:
            self._read_changes()
        else:
            self.settle()
        near = Nearest(len(probes), limit=self._engine.thresholds.candidate)
        for layer in self._layers():
            layer.faces.search(probes, engine=self._engine, near=near, hidden=layer.hidden)
        return near.found()

    def _start_from(self, held: Faces, *, snapshot: Snapshot | None = None) -> None:
        """Have these faces, and no others."""
        self._snapshot = snapshot
        self._lower = _Layer(held)
        self._upper = _Layer(faces.nobody(self._engine))
        self._keep_apart({})

    def _keep_apart(self, people: dict[bytes, dict[int, _Known]]) -> None:
        self._people = people
        self._owners = {pk: person for person, own in people.items() for pk in own}
        self._apart: _Layer | None = None

    def _layers(self) -> list[_Layer]:
        """Return all layers, those who are kept apart as the last; nobody who is not hidden is in two."""
        if self._apart is None:
            unsorted = Unsorted(room=len(self._owners), engine=self._engine)
            for person, own in self._people.items():
                for pk, known in own.items():
                    unsorted.put(
                        person, known_face=pk, revision=known.revision, vector=known.vector
                    )
            self._apart = _Layer(unsorted.lay_out())
        return [self._lower, self._upper, self._apart]

    def _read_changes(self) -> None:
        """Take over what has changed since the last time."""
        newest = self._revision
        for change in revisions.changes(self._engine.name, after=self._revision):
            self._take_out(change.known_face)
            if change.person is not None and change.vector is not None:
                self._put(change.person, change.known_face, change.revision, change.vector)
            newest = max(newest, change.revision)
        self._has_changed |= newest > self._revision
        self._revision = newest
        if len(self._owners) + len(self._people) > self._most_apart:
            self._raise()

    def _put(
        self, person: uuid.UUID, known_face: int, revision: int, vector: npt.NDArray[np.float32]
    ) -> None:
        self._set_apart(person.bytes)[known_face] = _Known(revision, vector)
        self._owners[known_face] = person.bytes

    def _take_out(self, known_face: int) -> None:
        """Forget a face, whosever it was; an unknown one is no error."""
        owner = self._owners.get(known_face)
        for layer in (self._upper, self._lower):
            owner = owner or layer.owner_of(known_face)
        if owner is not None:
            del self._set_apart(owner)[known_face]
            del self._owners[known_face]

    def _set_apart(self, person: bytes) -> dict[int, _Known]:
        """Return the faces of a person, to be changed."""
        self._apart = None
        if person not in self._people:
            own = self._people[person] = self._lower.take(person) | self._upper.take(person)
            self._owners |= dict.fromkeys(own, person)
        return self._people[person]

    def _raise(self) -> None:
        """Put who is kept apart into the upper layer."""
        *_, apart = self._layers()
        self._upper = _Layer(faces.merge(self._upper.faces, apart.faces, hidden=self._upper.hidden))
        self._keep_apart({})

    def _merged(self) -> Faces:
        """Return all faces in one layer."""
        self._raise()
        if not self._upper.faces.people.size and not self._lower.hidden.any():
            return self._lower.faces
        return faces.merge(self._lower.faces, self._upper.faces, hidden=self._lower.hidden)

    def _settle(self) -> None:
        """Make one of both layers where it is time for that."""
        above = len(self._upper.faces) + self._lower.hidden_rows()
        many = above > max(self._least_above, SHARE_ABOVE * len(self._lower.faces))
        if self._folder is None or len(self) < self._mapped_from:
            if many or self._snapshot:
                # Of what is small no snapshot is left.
                self._start_from(self._merged())
                self._remove_snapshots()
        elif many or self._snapshot is None or self._is_old():
            self._share(self._folder)

    def _is_old(self) -> bool:
        """Whether there is a snapshot that somebody may be in who was forgotten a day ago."""
        if self._snapshot is None or time.time() - self._snapshot.written_at <= RENEWED_SECONDS:
            return False
        return bool(self._people or self._lower.hidden.any())

    def _share(self, folder: Path) -> None:
        """Take over the snapshot of another worker, or write one; while another worker writes do nothing."""
        try:
            with snapshots.turn(folder, wait=False) as is_ours:
                if not is_ours:
                    return
                found = snapshots.newest(folder, engine=self._engine)
                if found and (self._snapshot is None or found.path != self._snapshot.path):
                    self._adopt(found)
                    if self._is_right():
                        return
                    self._read_all()
                self._write(folder)
        except OSError as error:
            # What is in memory is as good.
            logger.warning("The gallery cannot be shared with other workers: %s", error)

    def _write(self, folder: Path) -> None:
        found = snapshots.write(
            folder, self._merged(), revision=self._revision, engine=self._engine
        )
        self._start_from(found.faces, snapshot=found)

    def _adopt(self, snapshot: Snapshot) -> None:
        self._start_from(snapshot.faces, snapshot=snapshot)
        self._revision = snapshot.revision

    def _remove_snapshots(self) -> None:
        if self._folder is not None and self._folder.is_dir():
            try:
                with snapshots.turn(self._folder, wait=True):
                    snapshots.remove(self._folder)
            except OSError as error:
                logger.warning("Snapshots of the gallery cannot be removed: %s", error)

    def _load(self) -> None:
        """Read all known faces for the first time; of many, what another worker of this machine has read."""
        if self._folder is None or KnownFace.objects.count() < self._mapped_from:
            self._read_all()
            self._remove_snapshots()
            return
        try:
            with snapshots.turn(self._folder, wait=True):
                if found := snapshots.newest(self._folder, engine=self._engine):
                    self._adopt(found)
                    if self._is_right():
                        return
                    # Of another database, or of another history of this one.
                    snapshots.remove(self._folder)
                self._read_all()
                self._write(self._folder)
        except OSError as error:
            logger.warning("The gallery cannot be shared with other workers: %s", error)
            self._read_all()

    def _is_right(self) -> bool:
        """Return whether these are the faces that the database has, by their sums."""
        for _ in range(TRIES):
            before = revisions.revision()
            self._read_changes()
            after, theirs = revisions.sums(self._engine.name)
            if after == before:
                return theirs == self._sums()
        return False

    def _sums(self) -> revisions.Sums:
        each = [layer.sums() for layer in self._layers()]
        return revisions.Sums(*(sum(parts) for parts in zip(*each, strict=True)))

    def _read_all(self) -> None:
        """Read all known faces in one piece."""
        unsorted = Unsorted(room=KnownFace.objects.count(), engine=self._engine)
        newest = 0
        for block in revisions.everything(self._engine.name):
            newest = max(newest, *block.revisions)
            unsorted.put_all(
                block.people, ids=block.ids, revisions=block.revisions, vectors=block.vectors
            )
        self._start_from(unsorted.lay_out())
        self._revision = newest
