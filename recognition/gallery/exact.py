"""The known faces in memory, searched exactly: what nearly every installation has.

Most faces lie in `Faces`, which never change. A person of whom a face has changed since moves, with all faces, into a
few of their own; when those are many, both become new `Faces`. Large ones are mapped from a snapshot on the disk, which
one worker of the machine writes for all.
"""

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
#: Changed faces that are kept aside at the most: so many, or a part of all, whichever is more.
LEAST_ASIDE, SHARE_ASIDE = 2_048, 1 / 16
#: Seconds after which a snapshot is written anew for any change: whoever was forgotten is in none after that.
RENEWED_SECONDS = 86_400.0
#: Times that a snapshot is compared with the database while that changes.
TRIES = 5


class _Known(NamedTuple):
    revision: int
    vector: npt.NDArray[np.float32]


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
        least_aside: int = LEAST_ASIDE,
    ) -> None:
        self._least_aside = least_aside
        self._engine = engine
        self._folder = folder
        self._mapped_from = mapped_from
        self._revision = 0
        self._is_loaded = False
        self._start_from(faces.nobody(engine))

    def __len__(self) -> int:
        hidden = np.diff(self._base.starts)[self._hidden].sum()
        return len(self._base) - int(hidden) + len(self._owners)

    @property
    def is_mapped(self) -> bool:
        """Whether most faces are in a snapshot that is shared with other processes."""
        return self._snapshot is not None

    def refresh(self) -> None:
        """Take over all changes that were committed before this call; none cost one indexed query."""
        if not self._is_loaded:
            self._load()
            self._is_loaded = True
        elif self._read_changes() or (self._people and self._is_old()):
            self._settle()

    def forget(self) -> None:
        """Read everything anew at the next search, and let no worker that starts use the snapshots."""
        if self._folder is not None:
            with snapshots.turn(self._folder, wait=True):
                snapshots.remove(self._folder)
        self._start_from(faces.nobody(self._engine))
        self._revision, self._is_loaded = 0, False

    def search(self, probes: Embeddings, /) -> PersonDistances:
        """Return the distance of each probe, (P, D), to each person who matters to one (`Nearest`), exactly.

        Refreshes first, so that a person enrolled now is found now. Nobody known gives (P, 0).
        """
        self.refresh()
        near = Nearest(len(probes), limit=self._engine.thresholds.candidate)
        aside = self._lay_aside()
        everyone = np.zeros(len(aside.people), bool)
        self._base.search(probes, engine=self._engine, near=near, hidden=self._hidden)
        aside.search(probes, engine=self._engine, near=near, hidden=everyone)
        return near.found()

    def _start_from(self, base: Faces, *, snapshot: Snapshot | None = None) -> None:
        """Have these faces, and no others aside."""
        self._base = base
        self._snapshot = snapshot
        #: Of whom a face has changed, (M,): all their faces are aside.
        self._hidden = np.zeros(len(base.people), bool)
        self._people: dict[bytes, dict[int, _Known]] = {}
        self._owners: dict[int, bytes] = {}
        self._aside: Faces | None = None

    def _read_changes(self) -> bool:
        """Take over what has changed since the last time; return whether anything has."""
        newest = self._revision
        for change in revisions.changes(self._engine.name, after=self._revision):
            self._take_out(change.known_face)
            if change.person is not None and change.vector is not None:
                self._put(change.person, change.known_face, change.revision, change.vector)
            newest = max(newest, change.revision)
        changed = newest > self._revision
        self._revision = newest
        return changed

    def _put(
        self, person: uuid.UUID, known_face: int, revision: int, vector: npt.NDArray[np.float32]
    ) -> None:
        self._set_aside(person.bytes)[known_face] = _Known(revision, vector)
        self._owners[known_face] = person.bytes

    def _take_out(self, known_face: int) -> None:
        """Forget a face, whosever it was; an unknown one is no error."""
        owner = self._owners.get(known_face)
        if owner is None:
            place = self._base.person_of(known_face)
            # The face of a person who is aside would be there.
            if place is None or self._hidden[place]:
                return
            owner = to_uuid(self._base.people[place]).bytes
            self._set_aside(owner)
        del self._people[owner][known_face]
        del self._owners[known_face]
        self._aside = None

    def _set_aside(self, person: bytes) -> dict[int, _Known]:
        """Return the faces of a person, to be changed."""
        self._aside = None
        if person in self._people:
            return self._people[person]
        own = self._people[person] = {}
        place = self._base.find(person)
        if place is not None:
            rows = self._base.rows(place)
            self._hidden[place] = True
            for pk, revision, vector in zip(
                self._base.ids[rows].tolist(),
                self._base.revisions[rows].tolist(),
                self._base.vectors[rows],
                strict=True,
            ):
                own[pk] = _Known(revision, vector)
                self._owners[pk] = person
        return own

    def _lay_aside(self) -> Faces:
        """Return the faces aside as they are searched."""
        if self._aside is None:
            unsorted = Unsorted(room=len(self._owners), engine=self._engine)
            for person, own in self._people.items():
                for pk, known in own.items():
                    unsorted.put(
                        person, known_face=pk, revision=known.revision, vector=known.vector
                    )
            self._aside = unsorted.lay_out()
        return self._aside

    def _merged(self) -> Faces:
        return faces.merge(self._base, self._lay_aside(), hidden=self._hidden)

    def _settle(self) -> None:
        """Make one of what is aside and the rest where it is time for that."""
        many = len(self._owners) > max(self._least_aside, SHARE_ASIDE * len(self._base))
        if self._folder is None or len(self) < self._mapped_from:
            if many:
                self._start_from(self._merged())
        elif many or self._snapshot is None or self._is_old():
            self._share(self._folder)

    def _is_old(self) -> bool:
        """Whether there is a snapshot that somebody may be in who was forgotten a day ago."""
        return bool(self._snapshot and time.time() - self._snapshot.written_at > RENEWED_SECONDS)

    def _share(self, folder: Path) -> None:
        """Take over a newer snapshot of another worker, or write one; while another worker writes do nothing."""
        with snapshots.turn(folder, wait=False) as is_ours:
            if not is_ours:
                return
            found = snapshots.newest(folder, engine=self._engine)
            before = self._snapshot.revision if self._snapshot else 0
            if found and found.revision > before:
                self._adopt(found)
                self._read_changes()
            else:
                self._write(folder)

    def _write(self, folder: Path) -> None:
        found = snapshots.write(
            folder, self._merged(), revision=self._revision, engine=self._engine
        )
        self._adopt(found)

    def _adopt(self, snapshot: Snapshot) -> None:
        self._start_from(snapshot.faces, snapshot=snapshot)
        self._revision = snapshot.revision

    def _load(self) -> None:
        """Read all known faces for the first time; of many, what another worker of this machine has read."""
        count = KnownFace.objects.count()
        if self._folder is None or count < self._mapped_from:
            self._read_all(count)
            return
        with snapshots.turn(self._folder, wait=True):
            if found := snapshots.newest(self._folder, engine=self._engine):
                self._adopt(found)
                if self._is_right():
                    return
                # Of another database, or of an older state of this one.
                snapshots.remove(self._folder)
                self._revision = 0
            self._read_all(count)
            self._write(self._folder)

    def _is_right(self) -> bool:
        """Return whether these are the faces that the database has, by their sums."""
        for _ in range(TRIES):
            self._read_changes()
            theirs = revisions.sums(self._engine.name)
            if not self._read_changes():
                return theirs == self._sums()
        return False

    def _sums(self) -> revisions.Sums:
        shown = np.repeat(~self._hidden, np.diff(self._base.starts))
        aside = self._lay_aside()
        return revisions.Sums(
            faces=len(self),
            ids=int(self._base.ids[shown].sum() + aside.ids.sum()),
            revisions=int(self._base.revisions[shown].sum() + aside.revisions.sum()),
        )

    def _read_all(self, count: int) -> None:
        """Read all known faces, about so many, in one piece."""
        unsorted = Unsorted(room=count, engine=self._engine)
        newest = 0
        for block in revisions.everything(self._engine.name):
            newest = max(newest, *block.revisions)
            unsorted.put_all(
                block.people, ids=block.ids, revisions=block.revisions, vectors=block.vectors
            )
        self._start_from(unsorted.lay_out())
        self._revision = newest
