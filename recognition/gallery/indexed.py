"""The known faces in an index of PostgreSQL (pgvector): for galleries that do not fit into a process.

A table beside Django's holds the faces in half precision with an HNSW index (Malkov and Yashunin 2018, as pgvector
implements it). It finds the nearest faces approximately; their people are then compared exactly, with all their faces.
The table is derived: it is brought up to the gallery's revision before each search, and may be made anew at any time.
While an audit says that the index misses people (`recognition.audits`), all faces of the table are compared, slowly.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.utils import OperationalError, ProgrammingError

from recognition import engine as engines
from recognition.engine import Embeddings, Engine, EngineError
from recognition.gallery import parity, revisions
from recognition.gallery.faces import Faces, Unsorted
from recognition.gallery.nearest import Nearest, PersonDistances

#: Nearest faces that are looked up for a probe, and four times as many while they are of too FEW people, which are the
#: candidates that are kept of a face, and the next one.
FACES, FEW, MOST_FACES = 100, 6, 6_400
#: Size of HNSW's list while it looks: the more, the more it finds.
LIST = 400
#: Links of a node in HNSW, and the size of the list while it is built: pgvector's own defaults are 16 and 64.
LINKS, BUILD_LIST = 16, 128
#: Memory in which the index may be built, which holds some 2 million faces.
BUILD_MEMORY = "2GB"
#: Rows that are stored at once, and changes that are committed at once: each takes a millisecond or two in the index.
STORED, COMMITTED = 1_000, 5_000
#: Seconds after which it is looked up again whether the index may be used.
TRUSTED_SECONDS = 60.0
#: Seconds to wait for those who search in the old table, and how often, before it is replaced.
LOCK_SECONDS, LOCK_TRIES = 5, 60
#: Of the lock that of several who prepare at once lets one.
TURN = "SELECT pg_advisory_lock(hashtext('facewatch gallery'))"
END_TURN = "SELECT pg_advisory_unlock(hashtext('facewatch gallery'))"


class NotPrepared(EngineError):
    """The table is not there, or another engine's; the text says what to do."""


def prepare(engine: str, *, tell: Callable[[str], object]) -> None:
    """Make what a search needs, unless it is there and right. Tells before what takes long.

    Raises DatabaseError if the server has no pgvector, or the user may not add it to the database.
    """
    with _turn() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS recognition_vectorstate"
            " (id integer PRIMARY KEY CHECK (id = 1), engine text NOT NULL, revision bigint NOT NULL)"
        )
        cursor.execute("SELECT to_regclass('recognition_vector_hnsw')")
        (index,) = cursor.fetchone()
        if index is None or engine_of() != engine or not agrees(engine):
            tell("Building the gallery's index: about a minute for each 100,000 faces …")
            _rebuild(cursor, engine)


def rebuild(engine: str) -> None:
    """Make table and index anew beside the old ones, in which searches go on meanwhile."""
    with _turn() as cursor:
        _rebuild(cursor, engine)


def remove() -> None:
    """Remove table and index, if there are any."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS recognition_vector, recognition_vectorstate")


def engine_of() -> str | None:
    """Return whose faces the table holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT engine FROM recognition_vectorstate")
        found = cursor.fetchone()
    return str(found[0]) if found else None


def agrees(engine: str) -> bool:
    """Return whether the table holds the faces that are known, as far as it has been brought up; by their sums."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH seen AS (SELECT revision FROM recognition_vectorstate),"
            " known AS (SELECT count(*) count, sum(known.id) ids, sum(known.revision) revisions"
            "  FROM recognition_knownface known"
            "  JOIN recognition_embedding embedding ON embedding.face_id = known.face_id"
            "  WHERE embedding.engine = %s AND known.revision <= (SELECT revision FROM seen)),"
            # What has changed since, or is gone, is still in the table as it was.
            " held AS (SELECT count(*) count, sum(known_face_id) ids, sum(held.revision) revisions"
            "  FROM recognition_vector held WHERE NOT EXISTS (SELECT FROM recognition_tombstone gone"
            "   WHERE gone.known_face_id = held.known_face_id)"
            "  AND NOT EXISTS (SELECT FROM recognition_knownface now WHERE now.id = held.known_face_id"
            "   AND now.revision > (SELECT revision FROM seen)))"
            " SELECT (SELECT seen.revision <= state.revision FROM seen, recognition_gallerystate state"
            "  WHERE state.id = 1)"
            " AND (SELECT (known.count, known.ids, known.revisions) IS NOT DISTINCT FROM"
            "  (held.count, held.ids, held.revisions) FROM known, held)",
            [engine],
        )
        return bool(cursor.fetchone()[0])


class IndexedGallery:
    """The known faces of one engine, looked up in PostgreSQL. Raises NotPrepared at once if they are not there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_trusted = True
        self._looked_at = -TRUSTED_SECONDS
        try:
            if not agrees(engine.name):
                raise NotPrepared("The gallery's table holds other faces: run manage.py prepare.")
            self.refresh()
        except ProgrammingError as error:
            raise NotPrepared("The gallery's table is not there: run manage.py prepare.") from error

    def __len__(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM recognition_vector")
            return int(cursor.fetchone()[0])

    @property
    def is_trusted(self) -> bool:
        """Whether the last audit, as of a minute ago, found that the index finds enough."""
        if time.monotonic() - self._looked_at >= TRUSTED_SECONDS:
            self._is_trusted = parity.is_trusted(engine=self._engine.name, held=parity.PGVECTOR)
            self._looked_at = time.monotonic()
        return self._is_trusted

    def refresh(self) -> None:
        """Bring the table up to all changes that were committed before this call; none cost one query."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT s.engine, s.revision, g.revision FROM recognition_vectorstate s,"
                " recognition_gallerystate g WHERE g.id = 1"
            )
            engine, seen, newest = cursor.fetchone()
        if engine != self._engine.name:
            raise NotPrepared(
                f"The gallery's table is of the engine {engine}: run manage.py prepare."
            )
        if seen > newest:
            # Set back to an older state, as by a backup: how much of the table is still right, nobody knows.
            raise NotPrepared("The gallery's table is ahead: run manage.py prepare.")
        while seen < newest:
            # In steps, so that who is interrupted has done some of it.
            with transaction.atomic(), connection.cursor() as cursor:
                seen = _bring_up(cursor, engine)

    def settle(self) -> None:
        """Do what `refresh` does: it takes a lock, which a transaction would keep."""
        self.refresh()

    def search(self, probes: Embeddings, /) -> PersonDistances:
        """Return the distance of each probe, (P, D), to the people near it; the people may be wrong, no distance is.

        Refreshes first. Nobody known gives (P, 0).
        """
        return self._search(probes, index=self.is_trusted)

    def by_index(self, probes: Embeddings, /) -> PersonDistances:
        """Return what `search` does, whether the index is trusted or not."""
        return self._search(probes, index=True)

    def by_each(self, probes: Embeddings, /) -> PersonDistances:
        """Return what `search` does, comparing every face of the table."""
        return self._search(probes, index=False)

    def _search(self, probes: Embeddings, *, index: bool) -> PersonDistances:
        self.refresh()
        near = Nearest(len(probes), limit=self._engine.thresholds.candidate)
        found = self._people_near(probes, index=index)
        found.search(probes, engine=self._engine, near=near)
        return near.found()

    def _people_near(self, probes: Embeddings, *, index: bool) -> Faces:
        """Return all faces of the people who have one of those nearest to a probe."""
        near: set[uuid.UUID] = set()
        with _searching(index=index) as cursor:
            for probe in probes:
                near |= _nearest(cursor, _text(probe))
        rows = revisions.known(self._engine.name).filter(person__in=near)
        unsorted = Unsorted(room=4 * len(near), engine=self._engine)
        for revision, pk, person, vector in rows.order_by():
            unsorted.put(person.bytes, known_face=pk, revision=revision, vector=vector)
        return unsorted.lay_out()


def _nearest(cursor: CursorWrapper, probe: str) -> set[uuid.UUID]:
    """Return the people of the faces nearest to a probe; more faces if a few people have them all."""
    people: set[uuid.UUID] = set()
    faces = FACES
    while faces <= MOST_FACES:
        cursor.execute(
            "SELECT known.person_id FROM (SELECT known_face_id FROM recognition_vector"
            "  ORDER BY embedding <-> %s::halfvec LIMIT %s) near"
            " JOIN recognition_knownface known ON known.id = near.known_face_id",
            [probe, faces],
        )
        found = [person for (person,) in cursor.fetchall()]
        people = set(found)
        if len(people) >= FEW or len(found) < faces // 2:
            break
        faces *= 4
    return people


@contextmanager
def _searching(*, index: bool) -> Iterator[CursorWrapper]:
    """Give a cursor whose searches use the index, or do not."""
    with transaction.atomic(), connection.cursor() as cursor:
        if index:
            # Further than its list where a few people have all the nearest faces.
            cursor.execute("SELECT set_config('hnsw.iterative_scan', 'strict_order', true)")
            cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(LIST)])
        cursor.execute(
            "SELECT set_config('enable_indexscan', %s, true)", ["on" if index else "off"]
        )
        yield cursor
        cursor.execute("SELECT set_config('enable_indexscan', 'on', true)")


@contextmanager
def _turn() -> Iterator[CursorWrapper]:
    """Give a cursor to one of several who want to prepare the table; the others wait."""
    with connection.cursor() as cursor:
        cursor.execute(TURN)
        try:
            yield cursor
        finally:
            cursor.execute(END_TURN)


def _rebuild(cursor: CursorWrapper, engine: str) -> None:
    """Fill and index a new table while the old one is searched, then put it in its place; in turn."""
    cursor.execute("DROP TABLE IF EXISTS recognition_vector_new")
    with transaction.atomic():
        seen = revisions.revision()
        cursor.execute(
            "CREATE TABLE recognition_vector_new (known_face_id bigint PRIMARY KEY,"
            " revision bigint NOT NULL, embedding halfvec(%s) NOT NULL)",
            [engines.DIMENSIONS[engine]],
        )
        for block in revisions.everything(engine):
            cursor.executemany(
                "INSERT INTO recognition_vector_new VALUES (%s, %s, %s)",
                list(zip(block.ids, block.revisions, map(_text, block.vectors), strict=True)),
            )
        # A graph that does not fit into memory takes several times as long; PostgreSQL takes no more than it needs.
        cursor.execute("SELECT set_config('maintenance_work_mem', %s, true)", [BUILD_MEMORY])
        # By Euclidean distance, in whose order unit vectors by their cosine are as well.
        cursor.execute(
            "CREATE INDEX recognition_vector_new_hnsw ON recognition_vector_new"
            " USING hnsw (embedding halfvec_l2_ops) WITH (m = %s, ef_construction = %s)",
            [LINKS, BUILD_LIST],
        )
        cursor.execute("ANALYZE recognition_vector_new")
    for last in range(1, LOCK_TRIES + 1):
        try:
            with transaction.atomic():
                _replace(cursor, engine, seen=seen)
        except OperationalError:
            # Somebody searches, or brings the old one up, and waits for us in turn.
            if last == LOCK_TRIES:
                raise
        else:
            return


def _replace(cursor: CursorWrapper, engine: str, *, seen: int) -> None:
    """Put the new table in the place of the old one, in a transaction. Raises OperationalError if it is in use."""
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS}s"])
    # Those who bring the table up take this lock first as well.
    cursor.execute(
        "INSERT INTO recognition_vectorstate VALUES (1, %s, %s)"
        " ON CONFLICT (id) DO UPDATE SET engine = excluded.engine, revision = excluded.revision",
        [engine, seen],
    )
    cursor.execute("DROP TABLE IF EXISTS recognition_vector")
    cursor.execute("ALTER TABLE recognition_vector_new RENAME TO recognition_vector")
    cursor.execute("ALTER INDEX recognition_vector_new_hnsw RENAME TO recognition_vector_hnsw")
    # Who has just brought the old one up searches in this one.
    while seen < revisions.revision():
        seen = _bring_up(cursor, engine)


def _bring_up(cursor: CursorWrapper, engine: str) -> int:
    """Take over some of what the table has not seen, in a transaction; return up to which revision it has now.

    Of several at once one does, and the others wait.
    """
    cursor.execute("SELECT revision FROM recognition_vectorstate FOR UPDATE")
    seen = int(cursor.fetchone()[0])
    until = revisions.step(after=seen, faces=COMMITTED)
    gone: list[int] = []
    known: list[tuple[int, int, str]] = []
    for change in revisions.changes(engine, after=seen, until=until):
        if change.vector is None:
            gone.append(change.known_face)
        else:
            known.append((change.known_face, change.revision, _text(change.vector)))
    for start in range(0, len(known), STORED):
        cursor.executemany(
            "INSERT INTO recognition_vector VALUES (%s, %s, %s) ON CONFLICT (known_face_id)"
            " DO UPDATE SET revision = excluded.revision, embedding = excluded.embedding",
            known[start : start + STORED],
        )
    cursor.execute("DELETE FROM recognition_vector WHERE known_face_id = ANY(%s)", [gone])
    cursor.execute("UPDATE recognition_vectorstate SET revision = %s", [until])
    return until


def _text(vector: npt.NDArray[np.float32]) -> str:
    """Return a vector as pgvector reads it."""
    return f"[{','.join(map(str, vector.tolist()))}]"
