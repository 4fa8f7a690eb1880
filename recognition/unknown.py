"""Faces of nobody who is known, and where they were seen before."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce, Least

from recognition import engine as engines
from recognition.engine import MINIMUM_FOR_ENROLMENT
from recognition.models import Face, Photo, Sighting

#: Photos, and unknown faces of them, that those of one are compared with, the newest first.
MOST_COMPARED = 20_000


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """An unknown face that looks like another one: where and when it was seen, and how far it is from it."""

    face_id: uuid.UUID
    source: str
    seen_at: datetime
    distance: float


def unknown_faces() -> "QuerySet[Any]":
    """Return the faces of recognised uploads that are clear, and near nobody: no person is within an alert's distance.

    That is the engine's, and of faces that it described. Each has `seen_at`: when its photo was taken, or came in if
    that is not known or was earlier.
    """
    photo = "photo__"
    limit = engines.THRESHOLDS[settings.ENGINE].alert
    return Face.objects.filter(
        ~Exists(Sighting.objects.filter(face=OuterRef("pk"), distance__lte=limit)),
        photo__purpose=Photo.Purpose.UPLOAD,
        photo__stage=Photo.Stage.DONE,
        quality__gte=MINIMUM_FOR_ENROLMENT,
        embedding__engine=settings.ENGINE,
    ).annotate(
        seen_at=Least(
            Coalesce(F(f"{photo}captured_at"), F(f"{photo}created_at")), F(f"{photo}created_at")
        )
    )


@dataclass(frozen=True, kw_only=True)
class Others:
    """Unknown faces of other photos: `rows` of id, source and time, and in that order `vectors`, (N, D) float32."""

    rows: list[tuple[uuid.UUID, str, datetime]]
    vectors: npt.NDArray[np.float32]

    def like(self, face: Face, *, since: datetime, until: datetime) -> list[Likeness]:
        """Return those within a time that look like a face, oldest first.

        That is within the distance at which a known person would raise an alert.
        """
        limit = engines.THRESHOLDS[face.embedding.engine].alert
        near = distances(face, self.vectors)
        found = [
            Likeness(face_id=pk, source=source, seen_at=seen_at, distance=float(distance))
            for (pk, source, seen_at), distance in zip(self.rows, near, strict=True)
            if distance <= limit and since <= seen_at <= until
        ]
        return sorted(found, key=lambda one: one.seen_at)


def others_of(photo: Photo, *, since: datetime, until: datetime) -> Others:
    """Return the unknown faces of other photos that were seen within a time, of the MOST_COMPARED newest; one query."""
    # The photos are named first: from the side of the faces all that are stored would be read.
    lately = Photo.objects.filter(
        created_at__gte=since, purpose=Photo.Purpose.UPLOAD, stage=Photo.Stage.DONE
    ).exclude(pk=photo.pk)
    rows = list(
        unknown_faces()
        .filter(photo__in=lately.order_by("-created_at").values("pk")[:MOST_COMPARED])
        .filter(seen_at__range=(since, until))
        .order_by("-photo__created_at")
        .values_list("pk", "photo__source", "seen_at", "embedding__vector")[:MOST_COMPARED]
    )
    vectors = np.array([vector for *_, vector in rows], dtype=np.float32)
    return Others(
        rows=[(pk, source, seen_at) for pk, source, seen_at, _ in rows],
        vectors=vectors.reshape(len(rows), -1) if rows else vectors.reshape(0, 0),
    )


def distances(
    face: Face, vectors: Sequence[object] | npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return how far a face is from embeddings of its own engine, (N,) float32."""
    embedding = face.embedding
    probe = np.asarray(embedding.vector, dtype=np.float32)[None]
    if not len(vectors):
        return np.empty(0, dtype=np.float32)
    gallery = np.array(vectors, dtype=np.float32).reshape(len(vectors), probe.shape[1])
    found: npt.NDArray[np.float32] = engines.distances(probe, gallery, engine=embedding.engine)[0]
    return found
