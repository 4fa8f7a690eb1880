"""Who is whom in one photo: a person stands in it at most once."""

import uuid
from dataclasses import dataclass

import numpy as np
import scipy

from recognition.engine import Embeddings, Engine
from recognition.gallery import Gallery, PersonDistances

#: Candidates kept of a face.
MOST_CANDIDATES = 5


@dataclass(frozen=True, kw_only=True)
class Match:
    """Person `person_id` as the candidate of a rank for the probe of row `face`.

    margin is how much farther the nearest other person of the gallery is from this face (less than 0 if that one is
    nearer but stands for another face), or None if nobody else is known.
    """

    face: int
    person_id: uuid.UUID
    distance: float
    rank: int
    margin: float | None


def load() -> None:
    """Load SciPy's optimiser, which it does not do before it is asked: whoever matches nobody starts sooner."""
    _ = scipy.optimize


def match(vectors: Embeddings, *, engine: Engine, known: Gallery) -> list[Match]:
    """Return the candidates of each of these faces, (N, D), among all who are known now; see `assign`."""
    return assign(known.search(vectors), limit=engine.thresholds.candidate)


def assign(found: PersonDistances, *, limit: float) -> list[Match]:
    """Return the candidates within `limit`, by face and rank, each person at most once.

    Rank 1 is the assignment of people to faces with the best total, that is the largest sum of (limit - distance); a
    face or person may stay without. Rank 2 assigns the people who are left to the faces that have a rank 1, and so on
    up to `MOST_CANDIDATES`. Within a face distances grow with the rank. The assignment is optimal (Jonker-Volgenant
    without initialisation, Crouse 2016, as implemented by SciPy).
    """
    distances = found.distances.astype(np.float64)
    if not distances.size:
        return []
    columns = np.flatnonzero((distances <= limit).any(axis=0))
    faces = np.arange(len(distances))
    matches: list[Match] = []
    for rank in range(1, MOST_CANDIDATES + 1):
        # Beyond the limit a pair costs nothing, like no pair; at the limit it is still worth a little.
        costs = np.minimum(distances[np.ix_(faces, columns)] - limit - 1e-9, 0)
        rows, picks = scipy.optimize.linear_sum_assignment(costs)
        taken = [
            (faces[row], columns[pick])
            for row, pick in zip(rows, picks, strict=True)
            if costs[row, pick] < 0
        ]
        if not taken:
            break
        matches += [
            _match(found, distances, face=face, column=column, rank=rank) for face, column in taken
        ]
        faces = np.array([face for face, _ in taken])
        columns = np.setdiff1d(columns, [column for _, column in taken])
    return sorted(matches, key=lambda match: (match.face, match.rank))


def _match(
    found: PersonDistances, distances: np.ndarray, *, face: int, column: int, rank: int
) -> Match:
    distance = float(distances[face, column])
    others = np.delete(distances[face], column)
    next_best = float(others.min()) if others.size else np.inf
    return Match(
        face=int(face),
        person_id=found.people[column],
        distance=distance,
        rank=rank,
        margin=next_best - distance if np.isfinite(next_best) else None,
    )
