"""Who of the watched people is this, if anybody? Open-set identification as a watch-list meets it.

People are drawn to be watched, with some of their photos; everybody else's photos are the strangers, and the further
photos of those who are watched are the mated searches. ISO/IEC 19795-1: FPIR is the share of strangers' photos that
find anybody within the threshold; FNIR the share of mated searches whose right person is not the nearest within it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recognition import engine as engines
from recognition.engine import Engine
from recognition.evaluation.faces import Faces

#: Shares of strangers who raise an alarm, for which the share of missed people is told.
FALSE_POSITIVE_RATES = (1e-3, 5e-3, 1e-2, 5e-2)

#: Bootstrap samples of an interval, and its ends.
SAMPLES = 200
INTERVAL = (0.025, 0.975)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What one choice of watched people gave.

    mated is the distance to the right person, infinite if somebody else is nearer, of each mated search (M,), and
    mated_people who it is; strangers the distance to the nearest of the watched, (S,), and strange_people who they are.
    """

    mated: Numbers
    mated_people: npt.NDArray[np.intp]
    strangers: Numbers
    strange_people: npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """At an FPIR: the threshold (mean of the draws), FNIR, and the interval that holds it in 95 of 100 bootstraps."""

    fpir: float
    threshold: float
    fnir: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Identification:
    """gallery is the number of watched people, photos of how many of them each is known by at the most."""

    gallery: int
    photos: int
    mated_searches: int
    strangers_searches: int
    rates: list[Rate]
    draws: list[Draw]

    def fpir_at(self, threshold: float) -> float:
        """Return the share of strangers' photos that find anybody within a distance."""
        return float(np.mean([(draw.strangers <= threshold).mean() for draw in self.draws]))

    def fnir_at(self, threshold: float) -> float:
        """Return the share of mated searches that do not find the right person first within a distance."""
        return float(np.mean([(draw.mated > threshold).mean() for draw in self.draws]))


def identify(
    faces: Faces, *, engine: Engine, gallery: int, photos: int, draws: int, seed: int
) -> Identification | None:
    """Return the error rates with `gallery` people watched by up to `photos` photos each.

    People with more than `photos` photos are drawn first, then those with fewer; who has one photo only is watched by
    it and never searched for. The same seed, the same answer. None if the folder has too few people to leave strangers.
    """
    rng = np.random.default_rng(seed)
    found = [
        _draw(faces, engine=engine, gallery=gallery, photos=photos, rng=rng) for _ in range(draws)
    ]
    made = [draw for draw in found if draw is not None]
    if len(made) < draws:
        return None
    return Identification(
        gallery=gallery,
        photos=photos,
        mated_searches=int(np.mean([len(draw.mated) for draw in made])),
        strangers_searches=int(np.mean([len(draw.strangers) for draw in made])),
        rates=[_rate(made, fpir=fpir, rng=rng) for fpir in FALSE_POSITIVE_RATES],
        draws=made,
    )


def _draw(
    faces: Faces, *, engine: Engine, gallery: int, photos: int, rng: np.random.Generator
) -> Draw | None:
    by_person = _rows_by_person(faces)
    rich = [person for person, rows in by_person.items() if _found(faces, rows) > photos]
    poor = [person for person, rows in by_person.items() if 0 < _found(faces, rows) <= photos]
    if len(rich) + len(poor) <= gallery:
        return None
    watched = [*rng.permutation(rich), *rng.permutation(poor)][:gallery]
    enrolled: list[npt.NDArray[np.intp]] = []
    probes: list[npt.NDArray[np.intp]] = []
    for person in watched:
        rows = by_person[person]
        usable = rng.permutation(rows[faces.found[rows]])
        # One photo is kept to search with, where there is more than one.
        known = usable[: min(photos, max(1, len(usable) - 1))]
        enrolled.append(known)
        probes.append(np.setdiff1d(rows, known))
    strangers = np.flatnonzero(~np.isin(faces.people, watched))
    mates = np.concatenate(probes)
    searched = np.concatenate([mates, strangers])
    distances = _person_distances(faces, searched, enrolled, engine=engine)
    # A photo in which no face is found finds nobody.
    distances[~faces.found[searched]] = np.inf
    right = np.repeat(np.arange(len(watched)), [len(rows) for rows in probes])
    to_mates = distances[: len(mates)]
    own = to_mates[np.arange(len(mates)), right]
    return Draw(
        mated=np.where(own <= to_mates.min(axis=1, initial=np.inf), own, np.inf),
        mated_people=faces.people[mates],
        strangers=distances[len(mates) :].min(axis=1),
        strange_people=faces.people[strangers],
    )


def _person_distances(
    faces: Faces,
    searched: npt.NDArray[np.intp],
    enrolled: list[npt.NDArray[np.intp]],
    *,
    engine: Engine,
) -> Numbers:
    """Return the distance of each searched row to each enrolled person, as the gallery tells it."""
    probes, known = faces.embeddings[searched], faces.embeddings[np.concatenate(enrolled)]
    starts = np.cumsum([0] + [len(rows) for rows in enrolled[:-1]]).astype(np.intp)
    templates = engines.fuse(known, starts, engine=engine)
    distances = engines.person_distances(
        engine.distances(probes, known), starts, engine.distances(probes, templates)
    )
    return distances.astype(np.float64)


def _rows_by_person(faces: Faces) -> dict[int, npt.NDArray[np.intp]]:
    order = np.argsort(faces.people, kind="stable")
    people, starts = np.unique(faces.people[order], return_index=True)
    return dict(zip(people.tolist(), np.split(order, starts[1:]), strict=True))


def _found(faces: Faces, rows: npt.NDArray[np.intp]) -> int:
    return int(faces.found[rows].sum())


def _rate(draws: list[Draw], *, fpir: float, rng: np.random.Generator) -> Rate:
    limits = [threshold_at(draw.strangers, fpir) for draw in draws]
    fnir = [float((draw.mated > limit).mean()) for draw, limit in zip(draws, limits, strict=True)]
    samples = [_sample(draws, fpir=fpir, rng=rng) for _ in range(SAMPLES)]
    low, high = np.quantile(samples, INTERVAL)
    return Rate(
        fpir=fpir,
        threshold=float(np.mean(limits)),
        fnir=float(np.mean(fnir)),
        low=float(low),
        high=float(high),
    )


def threshold_at(strangers: Numbers, fpir: float) -> float:
    """Return the largest distance within which no more than this share of strangers finds anybody."""
    ranked = np.sort(strangers)
    allowed = min(int(np.floor(fpir * len(ranked) + 1e-9)), len(ranked) - 1)
    return float(np.nextafter(ranked[allowed], -np.inf))


def _sample(draws: list[Draw], *, fpir: float, rng: np.random.Generator) -> float:
    """Return the FNIR of one bootstrap sample: people are drawn with replacement, with all their photos."""
    rates = []
    for draw in draws:
        strangers = np.concatenate(list(_resampled(draw.strangers, draw.strange_people, rng=rng)))
        mated = np.concatenate(list(_resampled(draw.mated, draw.mated_people, rng=rng)))
        rates.append(float((mated > threshold_at(strangers, fpir)).mean()))
    return float(np.mean(rates))


def _resampled(
    values: Numbers, people: npt.NDArray[np.intp], *, rng: np.random.Generator
) -> Iterator[Numbers]:
    order = np.argsort(people, kind="stable")
    _, starts = np.unique(people[order], return_index=True)
    groups = np.split(values[order], starts[1:])
    yield from (groups[pick] for pick in rng.integers(len(groups), size=len(groups)))
