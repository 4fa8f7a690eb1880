"""The known faces in an index of PostgreSQL (pgvector): for galleries that do not fit into a process.

A table beside Django's holds the faces in half precision with an HNSW index (Malkov and Yashunin 2018,
as pgvector implements it). It finds the nearest faces approximately; their people are then compared exactly, with all
their faces. The table is derived: it is brought up to the gallery's revision before each search, and may be dropped.
While an audit says that the index misses people (`recognition.audits`), the table is searched without it: exactly to
half precision, and slowly.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.utils import ProgrammingError

from recognition import engine as engines
from recognition.engine import Embeddings, Engine, EngineError
from recognition.gallery import parity, revisions
from recognition.gallery.faces import Faces, Unsorted
from recognition.gallery.nearest import Nearest, PersonDistances
from recognition.models import KnownFace

#: Nearest faces that are looked up for a probe, and the size of HNSW's list meanwhile: the more, the more it finds.
FACES, LIST = 100, 400
#: Links of a node in HNSW, and the size of the list while it is built: pgvector's own defaults are 16 and 64.
LINKS, BUILD_LIST = 16, 128
#: Rows that are stored at once.
STORED = 1_000
#: Seconds after which it is looked up again whether the index may be used.
TRUSTED_SECONDS = 60.0


class NotPrepared(EngineError):
    """The table is not there, or another engine's; the text says what to do."""


def prepare(engine: str, *, tell: Callable[[str], object]) -> None:
    """Make what a search needs, and the index; a second call changes nothing. Tells before what takes long.

    Raises DatabaseError if the server has no pgvector, or the user may not add it to the database.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # Of several at once one makes it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('facewatch gallery'))")
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS recognition_vectorstate"
            " (id integer PRIMARY KEY CHECK (id = 1), engine text NOT NULL, revision bigint NOT NULL)"
        )
        cursor.execute("SELECT engine FROM recognition_vectorstate")
        if cursor.fetchone() != (engine,):
            _make(cursor, engine)
        cursor.execute("SELECT to_regclass('recognition_vector_hnsw')")
        if cursor.fetchone() == (None,):
            tell("Reading the known faces into the gallery's table …")
            _bring_up(cursor, engine)
            tell("Building its index: about half a minute for each 100,000 faces …")
            _build(cursor)


def rebuild(engine: str) -> None:
    """Make table and index anew from the known faces; searches wait meanwhile, as half a table would be worse."""
    with transaction.atomic(), connection.cursor() as cursor:
        _make(cursor, engine)
        _bring_up(cursor, engine)
        _build(cursor)


def stored() -> revisions.Sums:
    """Return the sums of what the table holds, to be compared with `revisions.sums`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(known_face_id), 0), coalesce(sum(revision), 0)"
            " FROM recognition_vector"
        )
        return revisions.Sums(*(int(value) for value in cursor.fetchone()))


class IndexedGallery:
    """The known faces of one engine, looked up in PostgreSQL. Raises NotPrepared at once if they are not there."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_trusted = True
        self._looked_at = -TRUSTED_SECONDS
        try:
            self.refresh()
        except ProgrammingError as error:
            raise NotPrepared("The gallery's table is not there: run manage.py prepare.") from error

    def __len__(self) -> int:
        return stored().faces

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
                "SELECT s.engine, s.revision <> g.revision FROM recognition_vectorstate s,"
                " recognition_gallerystate g WHERE g.id = 1"
            )
            engine, is_behind = cursor.fetchone()
            if engine != self._engine.name:
                raise NotPrepared(
                    f"The gallery's table is of the engine {engine}: run manage.py prepare."
                )
            if is_behind:
                with transaction.atomic():
                    _bring_up(cursor, engine)

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
        found.search(
            probes, engine=self._engine, near=near, hidden=np.zeros(len(found.people), bool)
        )
        return near.found()

    def _people_near(self, probes: Embeddings, *, index: bool) -> Faces:
        """Return all faces of the people who have one of those nearest to a probe."""
        near: set[int] = set()
        with _searching(index=index) as cursor:
            for probe in probes:
                cursor.execute(
                    "SELECT known_face_id FROM recognition_vector"
                    " ORDER BY embedding <-> %s::halfvec LIMIT %s",
                    [_text(probe), FACES],
                )
                near.update(pk for (pk,) in cursor.fetchall())
        people = KnownFace.objects.filter(pk__in=near).values("person")
        rows = KnownFace.objects.filter(
            person__in=people, face__embedding__engine=self._engine.name
        ).values_list("person_id", "pk", "revision", "face__embedding__vector")
        unsorted = Unsorted(room=4 * len(near), engine=self._engine)
        for person, pk, revision, vector in rows.order_by():
            unsorted.put(person.bytes, known_face=pk, revision=revision, vector=vector)
        return unsorted.lay_out()


@contextmanager
def _searching(*, index: bool) -> Iterator[CursorWrapper]:
    """Give a cursor whose searches use the index, or do not."""
    with transaction.atomic(), connection.cursor() as cursor:
        if index:
            cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(LIST)])
        else:
            cursor.execute("SELECT set_config('enable_indexscan', 'off', true)")
        yield cursor


def _make(cursor: CursorWrapper, engine: str) -> None:
    """Make the table anew and empty, without an index."""
    cursor.execute("DROP TABLE IF EXISTS recognition_vector")
    cursor.execute(
        "CREATE TABLE recognition_vector (known_face_id bigint PRIMARY KEY, revision bigint NOT NULL,"
        " embedding halfvec(%s) NOT NULL)",
        [engines.DIMENSIONS[engine]],
    )
    cursor.execute(
        "INSERT INTO recognition_vectorstate VALUES (1, %s, 0)"
        " ON CONFLICT (id) DO UPDATE SET engine = excluded.engine, revision = 0",
        [engine],
    )


def _build(cursor: CursorWrapper) -> None:
    # By Euclidean distance, in whose order unit vectors by their cosine are as well.
    cursor.execute(
        "CREATE INDEX recognition_vector_hnsw ON recognition_vector"
        " USING hnsw (embedding halfvec_l2_ops) WITH (m = %s, ef_construction = %s)",
        [LINKS, BUILD_LIST],
    )


def _bring_up(cursor: CursorWrapper, engine: str) -> None:
    """Take over what the table has not seen, in a transaction; of several at once one does, and the others wait."""
    cursor.execute("SELECT revision FROM recognition_vectorstate FOR UPDATE")
    (seen,) = cursor.fetchone()
    newest = revisions.revision()
    if seen > newest:
        # The database was set back to an older state, and the table, which is in no backup, was not.
        cursor.execute("TRUNCATE recognition_vector")
        seen = 0
    gone: list[int] = []
    known: list[tuple[int, int, str]] = []
    for change in revisions.changes(engine, after=seen):
        newest = max(newest, change.revision)
        if change.vector is None:
            gone.append(change.known_face)
        else:
            known.append((change.known_face, change.revision, _text(change.vector)))
        if len(known) == STORED:
            _store(cursor, known)
            known.clear()
    _store(cursor, known)
    cursor.execute("DELETE FROM recognition_vector WHERE known_face_id = ANY(%s)", [gone])
    cursor.execute("UPDATE recognition_vectorstate SET revision = %s", [newest])


def _store(cursor: CursorWrapper, known: list[tuple[int, int, str]]) -> None:
    cursor.executemany(
        "INSERT INTO recognition_vector VALUES (%s, %s, %s) ON CONFLICT (known_face_id)"
        " DO UPDATE SET revision = excluded.revision, embedding = excluded.embedding",
        known,
    )


def _text(vector: npt.NDArray[np.float32]) -> str:
    """Return a vector as pgvector reads it."""
    return f"[{','.join(map(str, vector.tolist()))}]"
