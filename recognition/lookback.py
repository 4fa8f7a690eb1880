"""Looking back: all stored faces are searched for one person who is known, or looked for, only now.

A row says for whom and how far. Workers take it slice by slice, behind all other work: a slice reads embeddings in the
order in which they lie, and each photo with a face near the person is matched anew against everybody who is known, so
that it says what it would say if it came in now. Then the photo is announced, as `historic`. Killed anywhere, it goes
on from where the row says: photos after that are matched and announced once more, which changes nothing.
"""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from ledger import crashpoints, leases
from recognition import engine as engines
from recognition import gallery, matching, publishing, sightings
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Embedding, KnownFace, LookBack, Person, Photo, Sighting

#: Embeddings that are read at once, and seconds after which a slice makes room for other work.
CHUNK, SLICE_SECONDS = 20_000, 5.0
#: Share of a lease that a slice may take.
SLICE_SHARE = 0.25


class NotAnnounced(Exception):
    """A listener failed: the photo is announced again by the next attempt."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some embeddings in their order: `ids` is (N,), `vectors` (N, D) float32."""

    ids: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]


def request(person: Person, *, why: str) -> LookBack | None:
    """Have all stored faces searched for a person, and return the row; the sweep wakes a worker for it.

    None if there is no stored face or none by which the person is known. One that has not begun yet is the same; one
    that has begun may have passed what changed, so that there is another one after it.
    """
    person_id = person.merged_into_id or person.pk
    if not KnownFace.objects.filter(person=person_id).exists() or not _uploads().exists():
        return None
    waiting = LookBack.objects.filter(person=person_id, stage=LookBack.Stage.WAITING, begun_at=None)
    with transaction.atomic():
        # Locked, so that it begins after what asks for it was stored, and not before.
        if found := waiting.select_for_update().first():
            return found
    try:
        with transaction.atomic():
            return LookBack.objects.create(
                person_id=person_id, why=why, stage=LookBack.Stage.WAITING
            )
    except IntegrityError:
        return waiting.first()


def stop(look: LookBack) -> bool:
    """End one that is not done; what it found stays, and a slice under way stores no more. False if it has ended."""
    return bool(
        LookBack.objects.filter(pk=look.pk, stage=LookBack.Stage.WAITING).update(
            stage=LookBack.Stage.STOPPED,
            lease_token=None,
            lease_until=None,
            finished_at=timezone.now(),
        )
    )


def shown_of(person: Person) -> LookBack | None:
    """Return the one to show on a person's page: that which is under way, else the last one; None if there was none."""
    rows = LookBack.objects.filter(person=person)
    waiting = rows.filter(stage=LookBack.Stage.WAITING).order_by("created_at")
    return waiting.first() or rows.first()


def look_back(look_id: uuid.UUID | str, *, engine: Engine, known: Gallery) -> bool:
    """Look through a slice; return whether there is more to do at once. A second call at the same time does nothing."""
    lease = leases.claim(LookBack, look_id, stage=LookBack.Stage.WAITING)
    if lease is None:
        return False
    more = False
    with leases.held(lease):
        _begin(lease, engine=engine.name)
        if _look_through(lease, engine=engine, known=known):
            leases.finish(lease, stage=LookBack.Stage.DONE)
        else:
            leases.finish(lease, stage=LookBack.Stage.WAITING)
            more = True
    return more


def read(*, engine: str, after: int, until: int, size: int) -> Chunk:
    """Return the next embeddings of an engine after one; without Django's rows, which take longer than the search."""
    table = connection.ops.quote_name(Embedding._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, vector FROM {table} WHERE id > %s AND id <= %s AND engine = %s"  # noqa: S608 (a name of ours)
            " ORDER BY id LIMIT %s",
            [after, until, engine, size],
        )
        rows = cursor.fetchall()
    ids = np.array([pk for pk, _ in rows], dtype=np.int64)
    vectors = np.frombuffer(b"".join([bytes(vector) for _, vector in rows]), dtype="<f4")
    return Chunk(ids=ids, vectors=vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0))


def near(chunk: Chunk, faces: npt.NDArray[np.float32], *, engine: Engine) -> npt.NDArray[np.int64]:
    """Return the ids of the embeddings within the candidates' distance of a person, whose faces are (K, D)."""
    if not len(chunk.ids) or not len(faces):
        return chunk.ids[:0]
    distances = engines.person_distances(
        engine.distances(chunk.vectors, faces),
        np.zeros(1, dtype=np.intp),
        engine.distances(chunk.vectors, engine.fuse(faces)[None]),
    )
    return chunk.ids[distances[:, 0] <= engine.thresholds.candidate]


def _uploads() -> "QuerySet[Embedding]":
    return Embedding.objects.filter(face__photo__purpose=Photo.Purpose.UPLOAD)


def _begin(lease: leases.Lease[LookBack], *, engine: str) -> None:
    """Store up to where it is to look, at the first slice: what comes in later is matched with the person anyway."""
    if lease.row.begun_at:
        return
    of_engine = Embedding.objects.filter(engine=engine)
    with transaction.atomic():
        # Those who store embeddings hold the revision: after them no number up to the last can appear any more.
        gallery.wait_for_holders()
        stored = of_engine.aggregate(last=Max("pk"), count=Count("pk"))
        facts: dict[str, Any] = {
            "begun_at": timezone.now(),
            "until": stored["last"] or 0,
            "total": stored["count"],
        }
        _store(lease, **facts)
    for name, value in facts.items():
        setattr(lease.row, name, value)


def _look_through(lease: leases.Lease[LookBack], *, engine: Engine, known: Gallery) -> bool:
    """Look through what a slice has time for; return whether all is looked through. Raises LeaseLost."""
    look = lease.row
    ends_at = time.monotonic() + min(SLICE_SECONDS, SLICE_SHARE * settings.LEASE_SECONDS)
    faces = _faces_of(look.person_id, engine=engine.name)
    while len(faces):
        chunk = read(engine=engine.name, after=look.cursor, until=look.until, size=CHUNK)
        for reached, photo in _photos_of(near(chunk, faces, engine=engine)):
            found = _match_anew(photo, person_id=look.person_id, engine=engine, known=known)
            crashpoints.reach("look back: matched anew, not announced")
            _announce(photo)
            crashpoints.reach("look back: announced, not noted")
            _advance(lease, to=reached, chunk=chunk, found=found)
            if time.monotonic() > ends_at:
                return False
        if len(chunk.ids) < CHUNK:
            _advance(lease, to=look.until, chunk=chunk)
            return True
        _advance(lease, to=int(chunk.ids[-1]), chunk=chunk)
        if time.monotonic() > ends_at:
            return False
    return True


def _faces_of(person_id: uuid.UUID, *, engine: str) -> npt.NDArray[np.float32]:
    """Return the embeddings by which a person is known to an engine, (K, D)."""
    known = KnownFace.objects.filter(person=person_id, face__embedding__engine=engine)
    vectors = list(known.order_by("pk").values_list("face__embedding__vector", flat=True))
    return np.array(vectors, dtype=np.float32)


def _photos_of(ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, Photo]]:
    """Yield the recognised uploads of these embeddings, each with the last of its embeddings so far, in their order."""
    for start in range(0, len(ids), 500):
        some = [int(pk) for pk in ids[start : start + 500]]
        rows = Embedding.objects.filter(
            pk__in=some,
            face__photo__purpose=Photo.Purpose.UPLOAD,
            face__photo__stage=Photo.Stage.DONE,
        ).select_related("face__photo")
        for row in rows.order_by("pk"):
            yield row.pk, row.face.photo


def _match_anew(photo: Photo, *, person_id: uuid.UUID, engine: Engine, known: Gallery) -> bool:
    """Store who may be on a photo as of now; return whether the person is the nearest of one of its faces."""
    known.settle()
    with transaction.atomic():
        # Two that look for two people do not match the same photo at once.
        locked = Photo.objects.select_for_update().filter(pk=photo.pk).first()
        if locked is None:
            return False
        photo.published_at = locked.published_at
        rows = Embedding.objects.filter(face__photo=photo, engine=engine.name)
        found = list(rows.select_related("face").order_by("face__index"))
        if not found:
            return False
        vectors = np.array([row.vector for row in found], dtype=np.float32)
        matches = matching.match(vectors, engine=engine, known=known)
        faces = [row.face for row in found]
        sightings.replace(photo, sightings.build(photo, faces, matches))
    return Sighting.objects.filter(photo=photo, person=person_id, rank=1).exists()


def _announce(photo: Photo) -> None:
    """Tell the listeners of a photo that was found by looking back. Raises NotAnnounced if one failed.

    One of which they have not heard yet, because a worker died before it told them, is no old one.
    """
    historic = photo.published_at is not None
    if not publishing.announce(photo.pk, historic=historic):
        raise NotAnnounced(f"{photo}")


def _advance(lease: leases.Lease[LookBack], *, to: int, chunk: Chunk, found: bool = False) -> None:
    """Note how far it is, within a chunk or past it, and hold the lease on. Raises LeaseLost."""
    look = lease.row
    passed = (chunk.ids > look.cursor) & (chunk.ids <= to)
    leases.move(lease, stage=LookBack.Stage.WAITING)
    _store(
        lease,
        cursor=to,
        looked_at=F("looked_at") + int(passed.sum()),
        found=F("found") + int(found),
    )
    look.cursor = to


def _store(lease: leases.Lease[LookBack], **fields: Any) -> None:
    mine = Q(pk=lease.row.pk, lease_token=lease.token)
    if not LookBack.objects.filter(mine).update(**fields):
        raise leases.LeaseLost(f"LookBack {lease.row.pk} is no longer ours")
