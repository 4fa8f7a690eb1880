"""Whether a gallery answers what comparing each face would answer, and how sure that is.

Half of the probes are known faces, moved by noise to where an alert is still raised; the others are faces that came in.
Those count to whom somebody is near enough for an alert. An answer agrees if it has everybody who is, and everybody who
is so little farther than the first that it would be ambiguous, at the same distances. Weaker candidates than these do
not count: an index misses some.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from django.db.models import Max, Min, QuerySet

from recognition.engine import Distances, Embeddings, Engine
from recognition.gallery import revisions
from recognition.gallery.faces import Unsorted
from recognition.gallery.nearest import Nearest, PersonDistances
from recognition.models import Embedding, GalleryAudit

#: The ways in which a gallery is held.
EXACT, PGVECTOR = "exact", "pgvector"
#: Recall below which an index is not trusted.
LEAST_RECALL = 0.99
#: Probes that are asked at once, and known faces that are compared with them at once.
PROBES, FACES = 32, 50_000
#: Candidates of a face that are compared, as many as are kept of it (`matching.MOST_CANDIDATES`).
CANDIDATES = 5
#: Difference of two distances that are the same, as rounding leaves it.
TOLERANCE = 2e-3
#: How far known faces are moved, as a share of the distance within which an alert is raised.
MOVED = 0.7
#: Times that embeddings are drawn, of which many may be gone; and numbers a probe up to which all are looked at.
DRAWS, DENSE = 20, 20
#: Times that it is begun anew because somebody was enrolled or forgotten meanwhile.
TRIES = 3


def tell_nobody(_answered: int) -> None:
    """Where nobody waits to hear how many probes are answered."""


class Busy(Exception):
    """The known faces changed each time while they were compared."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """So many of the probes that count were answered rightly; `low` and `high` bound the recall, 95 % (Wilson 1927)."""

    faces: int
    probes: int
    agreed: int
    low: float
    high: float

    @property
    def recall(self) -> float:
        """The share that was answered as it should, 0 to 1; of no probes 1."""
        return self.agreed / self.probes if self.probes else 1.0


def last(*, engine: str, held: str) -> GalleryAudit | None:
    """Return the newest audit of a gallery that is held this way."""
    return GalleryAudit.objects.filter(engine=engine, held=held).first()


def is_trusted(*, engine: str, held: str) -> bool:
    """Return whether the newest audit of a gallery that is held this way passed, or there was none yet."""
    newest = last(engine=engine, held=held)
    return newest is None or newest.is_passed


def measure(
    search: Callable[[Embeddings], PersonDistances],
    *,
    engine: Engine,
    probes: int,
    together: int = PROBES,
    tell: Callable[[int], object] = tell_nobody,
    seed: int | None = None,
) -> Parity:
    """Compare the answers of a gallery with exact ones to up to so many probes; tells how many are answered.

    So many are asked together. Raises Busy if answers differ and the known faces do not hold still.
    """
    asked = draw(engine, count=probes, seed=seed)
    for _ in range(TRIES):
        before = revisions.revision()
        expected = compare_each(asked, engine=engine)
        agreed = counted = 0
        for start in range(0, len(asked), together):
            some = asked[start : start + together]
            answers = _lists(search(some), engine)
            for answer, right in zip(answers, expected[start : start + together], strict=True):
                counted += bool(len(right))
                agreed += bool(len(right)) and _agree(answer, right)
            tell(len(some))
        after, known = revisions.sums(engine.name)
        found = _parity(agreed, probes=counted, faces=known.faces)
        # Who is enrolled or forgotten meanwhile makes answers differ, and none agree.
        if after == before or found.recall >= LEAST_RECALL:
            return found
        tell(-len(asked))
    raise Busy("The known faces changed each time while they were compared: try again later.")


def draw(engine: Engine, *, count: int, seed: int | None) -> Embeddings:
    """Return up to so many probes, (P, D): first known faces, moved, then stored ones as they are."""
    rng = np.random.default_rng(seed)
    stored = Embedding.objects.filter(engine=engine.name)
    known = _some(stored.filter(face__known_as__isnull=False), count // 2, engine=engine, rng=rng)
    others = _some(stored, count - count // 2, engine=engine, rng=rng)
    return np.concatenate([_moved(known, engine=engine, rng=rng), others])


def _moved(faces: Embeddings, *, engine: Engine, rng: np.random.Generator) -> Embeddings:
    """Return faces as far from these, in directions of chance, as MOVED says; as long as they are."""
    lengths = np.linalg.norm(faces, axis=1, keepdims=True)
    noise = rng.standard_normal(faces.shape).astype(np.float32)
    noise *= lengths / np.maximum(np.linalg.norm(noise, axis=1, keepdims=True), 1e-9)
    low, high = np.zeros_like(lengths), np.full_like(lengths, 10)
    moved = faces
    for _ in range(20):
        share = (low + high) / 2
        moved = faces + share * noise
        moved *= lengths / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        pairs = zip(moved, faces, strict=True)
        far = [engine.distances(one[None], face[None])[0, 0] for one, face in pairs]
        is_far = np.array(far).reshape(-1, 1) > MOVED * engine.thresholds.alert
        low, high = np.where(is_far, low, share), np.where(is_far, share, high)
    return moved.astype(np.float32)


def _some(
    stored: QuerySet[Embedding], count: int, *, engine: Engine, rng: np.random.Generator
) -> Embeddings:
    """Return up to so many of the embeddings, (N, D), drawn by chance; without reading what all of them are."""
    bounds = stored.aggregate(low=Min("pk"), high=Max("pk"))
    found: dict[int, Any] = {}
    for _ in range(DRAWS if count and bounds["low"] is not None else 0):
        pks = range(bounds["low"], bounds["high"] + 1)
        if len(pks) > DENSE * count:
            pks = rng.integers(pks.start, pks.stop, size=4 * count).tolist()
        for start in range(0, len(pks), 500):
            rows = stored.filter(pk__in=pks[start : start + 500]).order_by("pk")
            found |= dict(rows.values_list("pk", "vector"))
        if len(found) >= count:
            break
    else:
        # Nearly all between the first and the last are gone.
        found |= dict(stored.order_by("pk").values_list("pk", "vector")[:count])
    chosen = rng.permutation(np.array(list(found), np.int64))[:count].tolist()
    vectors = np.array([found[pk] for pk in chosen], np.float32)
    return vectors.reshape(len(chosen), engine.dimensions)


def compare_each(probes: Embeddings, *, engine: Engine) -> list[Distances]:
    """Return, for each probe, the distances that count, from the stored rows, in bounded memory."""
    nears = [Nearest(len(part), limit=engine.thresholds.candidate) for part in _parts(probes)]
    for faces in _known(engine):
        block = faces.lay_out()
        for near, part in zip(nears, _parts(probes), strict=True):
            block.search(part, engine=engine, near=near)
    return [one for near in nears for one in _lists(near.found(), engine)]


def _parts(probes: Embeddings) -> list[Embeddings]:
    return [probes[start : start + PROBES] for start in range(0, len(probes), PROBES)]


def _known(engine: Engine) -> Iterator[Unsorted]:
    """Yield all known faces by people, nobody's in two parts; one query."""
    rows = revisions.known(engine.name)
    faces, last, count = Unsorted(room=FACES, engine=engine), None, 0
    for revision, pk, person, vector in rows.order_by("person_id").iterator(chunk_size=10_000):
        if count >= FACES and person != last:
            yield faces
            faces, count = Unsorted(room=FACES, engine=engine), 0
        faces.put(person.bytes, known_face=pk, revision=revision, vector=vector)
        last, count = person, count + 1
    yield faces


def _lists(found: PersonDistances, engine: Engine) -> list[Distances]:
    """Return, for each probe, the distances that count, ascending; none if nobody is near enough for an alert."""
    answers = []
    for row in np.sort(found.distances, axis=1):
        if not len(row) or row[0] > engine.thresholds.alert:
            answers.append(row[:0])
        else:
            reach = max(engine.thresholds.alert, row[0] + engine.thresholds.ambiguous)
            answers.append(row[row <= reach][:CANDIDATES])
    return answers


def _agree(answer: Distances, expected: Distances) -> bool:
    return len(answer) == len(expected) and bool(np.allclose(answer, expected, atol=TOLERANCE))


def _parity(agreed: int, *, probes: int, faces: int) -> Parity:
    low, high = wilson(agreed, of=probes)
    return Parity(faces=faces, probes=probes, agreed=agreed, low=low, high=high)


def wilson(successes: int, *, of: int) -> tuple[float, float]:
    """Return the bounds, 0 to 1, between which the probability is, 95 %, after so many successes of so many trials.

    Wilson, "Probable inference, the law of succession, and statistical inference" (1927); of no trials 0 and 1.
    SciPy's, which says the same, takes each process that only looks at the last audit half a second to load.
    """
    if not of:
        return 0.0, 1.0
    square = NormalDist().inv_cdf(0.975) ** 2
    centre = successes + square / 2
    reach = sqrt(square * (successes * (of - successes) / of + square / 4))
    # At both ends the sum is exact but for its rounding.
    return max(0.0, (centre - reach) / (of + square)), min(1.0, (centre + reach) / (of + square))
