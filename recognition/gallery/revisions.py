"""The order of all changes of the known faces, by which every gallery stays fresh.

Each writer takes the next revision first, and its row lock puts writers in order, so that a reader who has seen
revision N has seen all before it. Rows carry their revision and removals leave tombstones; both are read in one
statement, because in two of them one in ten snapshots was torn.
"""

import secrets
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.models import BinaryField, F, QuerySet, UUIDField, Value

from recognition.models import GalleryState, KnownFace, Tombstone

#: The longest step from one revision to the next. Sums of a million faces after ten million changes stay in 64 bits.
LONGEST_STEP = 2**16
#: The last revision that there may be.
LAST = 2**63 - 1
#: Rows that are read at once where all are.
CHUNK = 10_000


class Change(NamedTuple):
    """That a face is known as a person's now, or with None as a person that it is known no longer.

    vector is (D,) float32.
    """

    revision: int
    known_face: int
    person: uuid.UUID | None
    vector: npt.NDArray[np.float32] | None


class Block(NamedTuple):
    """Some known faces: their ids and revisions, the ids of the people, in bytes, and their vectors, (N, D) float32."""

    ids: Sequence[int]
    revisions: Sequence[int]
    people: Sequence[bytes]
    vectors: npt.NDArray[np.float32]


class Sums(NamedTuple):
    """What tells two galleries apart: how many faces, and the sums of their ids and of their revisions."""

    faces: int
    ids: int
    revisions: int


def next_revision() -> int:
    """Return a new revision; call it first in the transaction that changes known faces, or it raises.

    It is higher than all before by a step of chance, so that two histories of one database, as after a backup was
    restored, do not count alike.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A revision outside a transaction would order nothing.")
    step = 1 + secrets.randbelow(LONGEST_STEP)
    GalleryState.objects.filter(pk=1).update(revision=F("revision") + step)
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


def known(engine: str) -> "QuerySet[KnownFace, tuple[int, int, uuid.UUID, Any]]":
    """Return the faces that an engine has described: their revision, id, person and vector."""
    return KnownFace.objects.filter(face__embedding__engine=engine).values_list(
        "revision", "pk", "person_id", "face__embedding__vector"
    )


def changes(engine: str, *, after: int, until: int = LAST) -> Iterator[Change]:
    """Yield what has changed after a revision among the faces that an engine has described, in any order; one query.

    A face that was removed has no row any more, so that it does not come twice.
    """
    span = {"revision__gt": after, "revision__lte": until}
    gone = (
        Tombstone.objects.filter(**span)
        .annotate(
            person=Value(None, output_field=UUIDField()),
            vector=Value(None, output_field=BinaryField()),
        )
        .values_list("revision", "known_face_id", "person", "vector")
    )
    rows = known(engine).filter(**span).order_by().union(gone.order_by(), all=True)
    return (Change(*row) for row in cast("Iterable[tuple[int, int, uuid.UUID | None, None]]", rows))


def step(*, after: int, faces: int) -> int:
    """Return a revision up to which about so many known faces have changed after another; the newest if few have."""
    rows = KnownFace.objects.filter(revision__gt=after).order_by("revision")
    far = rows.values_list("revision", flat=True)[faces : faces + 1].first()
    return revision() if far is None else far


def everything(engine: str) -> Iterator[Block]:
    """Yield all faces that an engine has described, in any order; one query, without Django's slower rows."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            "SELECT known.id, known.revision, known.person_id, embedding.vector"
            " FROM recognition_knownface known"
            " JOIN recognition_embedding embedding ON embedding.face_id = known.face_id"
            " WHERE embedding.engine = %s",
            [engine],
        )
        while rows := cursor.fetchmany(CHUNK):
            ids, numbers, people, vectors = zip(*rows, strict=True)
            joined = np.frombuffer(b"".join(map(bytes, vectors)), dtype="<f4")
            yield Block(
                ids=ids,
                revisions=numbers,
                # SQLite has them as text.
                people=[
                    one.bytes if isinstance(one, uuid.UUID) else bytes.fromhex(one)
                    for one in people
                ],
                vectors=joined.reshape(len(ids), -1),
            )


def sums(engine: str) -> tuple[int, Sums]:
    """Return the newest revision, and the sums of the faces that an engine has described then; one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT revision FROM recognition_gallerystate WHERE id = 1), count(*),"
            " coalesce(sum(known.id), 0), coalesce(sum(known.revision), 0)"
            " FROM recognition_knownface known"
            " JOIN recognition_embedding embedding ON embedding.face_id = known.face_id"
            " WHERE embedding.engine = %s",
            [engine],
        )
        newest, *found = (int(value) for value in cursor.fetchone())
    return newest, Sums(*found)
