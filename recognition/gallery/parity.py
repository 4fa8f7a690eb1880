"""Whether a gallery answers what comparing each face would answer, and how sure that is.

Half of the probes are known faces, moved by noise as far as another photo of the person is; the others are faces that
came in. Those count to whom somebody is near enough for an alert. An answer agrees if it has everybody who is, and
everybody who is so little farther than the first that it would be ambiguous, at the same distances. Weaker candidates
than these do not count: an index misses some.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
from django.db.models import QuerySet

from recognition.engine import Distances, Embeddings, Engine
from recognition.gallery import revisions
from recognition.gallery.faces import Unsorted
from recognition.gallery.nearest import Nearest, PersonDistances
from recognition.models import Embedding, GalleryAudit, KnownFace

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
#: Length of the noise by which known faces are moved, as a share of their own: to a cosine of 0.64.
NOISE = 1.2
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


def is_trusted(*, engine: str, held: str) -> bool:
    """Return whether the newest audit of a gallery that is held this way passed, or there was none yet."""
    last = GalleryAudit.objects.filter(engine=engine, held=held).first()
    return last is None or last.is_passed


def measure(
    search: Callable[[Embeddings], PersonDistances],
    *,
    engine: Engine,
    probes: int,
    tell: Callable[[int], object] = tell_nobody,
    seed: int | None = None,
) -> Parity:
    """Compare the answers of a gallery with exact ones to up to so many probes; tells how many are answered.

    Raises Busy if the known faces do not hold still.
    """
    asked = draw(engine, count=probes, seed=seed)
    for _ in range(TRIES):
        before = revisions.revision()
        expected = compare_each(asked, engine=engine)
        agreed = counted = 0
        for start in range(0, len(asked), PROBES):
            some = asked[start : start + PROBES]
            answers = zip(
                _lists(search(some), engine), expected[start : start + PROBES], strict=True
            )
            for answer, right in answers:
                counted += bool(len(right))
                agreed += bool(len(right)) and _agree(answer, right)
            tell(len(some))
        if revisions.revision() == before:
            return _parity(agreed, probes=counted, faces=revisions.sums(engine.name).faces)
        tell(-len(asked))
    raise Busy("The known faces changed each time while they were compared: try again later.")


def draw(engine: Engine, *, count: int, seed: int | None) -> Embeddings:
    """Return up to so many probes, (P, D): first known faces, moved, then stored ones as they are."""
    rng = np.random.default_rng(seed)
    stored = Embedding.objects.filter(engine=engine.name)
    known = _some(
        stored.filter(face__known_as__isnull=False),
        count=count // 2,
        dimensions=engine.dimensions,
        rng=rng,
    )
    others = _some(stored, count=count - count // 2, dimensions=engine.dimensions, rng=rng)
    noise = rng.standard_normal(known.shape).astype(np.float32) / np.sqrt(engine.dimensions)
    lengths = np.linalg.norm(known, axis=1, keepdims=True)
    moved = known + NOISE * lengths * noise
    # As long as it was: embeddings of some engines have length 1.
    moved *= lengths / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
    return np.concatenate([moved, others]).astype(np.float32)


def _some(
    stored: QuerySet[Embedding], *, count: int, dimensions: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Return up to so many of the embeddings, (N, D), drawn by chance."""
    pks = np.fromiter(stored.values_list("pk", flat=True).iterator(), dtype=np.int64)
    drawn = rng.choice(pks, size=min(count, len(pks)), replace=False).tolist()
    rows: list[Any] = []
    for start in range(0, len(drawn), 500):
        some = Embedding.objects.filter(pk__in=drawn[start : start + 500]).order_by("pk")
        rows += some.values_list("vector", flat=True)
    return np.array(rows, np.float32).reshape(len(rows), dimensions)


def compare_each(probes: Embeddings, *, engine: Engine) -> list[Distances]:
    """Return, for each probe, the distances that count, from the stored rows, in bounded memory."""
    nears = [Nearest(len(part), limit=engine.thresholds.candidate) for part in _parts(probes)]
    for faces in _known(engine):
        block = faces.lay_out()
        hidden = np.zeros(len(block.people), bool)
        for near, part in zip(nears, _parts(probes), strict=True):
            block.search(part, engine=engine, near=near, hidden=hidden)
    return [one for near in nears for one in _lists(near.found(), engine)]


def _parts(probes: Embeddings) -> list[Embeddings]:
    return [probes[start : start + PROBES] for start in range(0, len(probes), PROBES)]


def _known(engine: Engine) -> Iterator[Unsorted]:
    """Yield all known faces by people, nobody's in two parts; one query."""
    rows = KnownFace.objects.filter(face__embedding__engine=engine.name).values_list(
        "person_id", "pk", "revision", "face__embedding__vector"
    )
    faces, last, count = Unsorted(room=FACES, engine=engine), None, 0
    for person, pk, revision, vector in rows.order_by("person_id").iterator(chunk_size=10_000):
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
    if not probes:
        return Parity(faces=faces, probes=0, agreed=0, low=0.0, high=1.0)
    interval = scipy.stats.binomtest(agreed, probes).proportion_ci(method="wilson")
    return Parity(
        faces=faces,
        probes=probes,
        agreed=agreed,
        low=float(interval.low),
        high=float(interval.high),
    )
