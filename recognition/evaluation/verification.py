"""Are two photos of one person? The protocol of Labeled Faces in the Wild (Huang et al., 2007).

A pair with a photo in which no face is found has an infinite distance: it counts as two people.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recognition.engine import Engine
from recognition.evaluation.faces import EvaluationError, Faces

#: Pairs of all that may be called wrong in addition, and yet a threshold is as good as the best.
ALMOST = 0.001

#: Rates of false acceptance at which the share of true ones is told.
FALSE_ACCEPT_RATES = (1e-2, 1e-3, 1e-4)

#: Folds, and pairs of one person in each, where there is no list of pairs; LFW's own numbers.
FOLDS = 10
PAIRS_PER_FOLD = 300

#: Distances of strangers are counted in blocks of so many probes, so that memory stays small.
BLOCK = 512

#: (P,) float64.
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """first and second are rows of Faces, (P,); same says whether they are one person, fold where the pair belongs."""

    first: npt.NDArray[np.intp]
    second: npt.NDArray[np.intp]
    same: npt.NDArray[np.bool_]
    fold: npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """accuracy is the mean over folds, each judged at the best threshold for the others; sd that of the folds.

    tar_at_far maps a rate of false acceptance to the share of true pairs accepted at the largest distance that keeps
    it, and threshold_at_far to that distance. same and different are the distances, sorted.
    """

    accuracy: float
    accuracy_sd: float
    eer: float
    threshold: float
    tar_at_far: dict[float, float]
    threshold_at_far: dict[float, float]
    same: Numbers
    different: Numbers


def read_pairs(file: Path, faces: Faces) -> Pairs:
    """Return the pairs of a file in LFW's format.

    First a line `folds<TAB>pairs`, then for each fold as many lines `name<TAB>i<TAB>j` of one person as lines
    `name<TAB>i<TAB>other<TAB>j` of two. Photo 7 of Some_Body is Some_Body_0007. Raises EvaluationError with the
    number of the line that does not fit.
    """
    rows = {path.stem: row for row, path in enumerate(faces.paths)}
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs: list[tuple[int, int, bool]] = []
    try:
        folds, per_fold = (int(number) for number in lines[0].split())
    except (IndexError, ValueError) as error:
        raise EvaluationError(
            f"{file}: the first line must be the number of folds and of pairs."
        ) from error
    for number, line in enumerate(lines[1:], start=2):
        match line.split("\t"):
            case [name, i, j]:
                names, same = (_photo(name, i), _photo(name, j)), True
            case [name, i, other, j]:
                names, same = (_photo(name, i), _photo(other, j)), False
            case _:
                raise EvaluationError(f"{file}, line {number}: not a pair of photos: {line!r}.")
        missing = [name for name in names if name not in rows]
        if missing:
            raise EvaluationError(f"{file}, line {number}: there is no photo {missing[0]!r}.")
        pairs.append((rows[names[0]], rows[names[1]], same))
    if len(pairs) != folds * per_fold * 2:
        raise EvaluationError(
            f"{file} has {len(pairs)} pairs; its first line promises {folds} × 2 × {per_fold}."
        )
    first, second, same_person = zip(*pairs, strict=True)
    return Pairs(
        first=np.array(first),
        second=np.array(second),
        same=np.array(same_person),
        fold=np.repeat(np.arange(folds), 2 * per_fold),
    )


def _photo(name: str, number: str) -> str:
    return f"{name}_{int(number):04d}" if number.isdigit() else f"{name}_{number}"


def draw_pairs(faces: Faces, *, seed: int) -> Pairs:
    """Return pairs for a folder without a list of them, in up to 10 folds of different people.

    Each fold has as many pairs of one person as of two, up to 300 each; the same seed, the same pairs. Raises
    EvaluationError if nobody has two photos.
    """
    rng = np.random.default_rng(seed)
    several = [person for person, count in enumerate(np.bincount(faces.people)) if count > 1]
    if not several:
        raise EvaluationError("Nobody has two photos, so there is no pair of one person.")
    folds = min(FOLDS, len(several))
    order = rng.permutation(int(faces.people.max()) + 1)
    fold_of = np.empty(len(order), dtype=np.intp)
    # People with several photos are dealt out first, so that every fold has pairs of one person.
    dealt = [*(person for person in order if person in several)]
    dealt += [person for person in order if person not in set(several)]
    fold_of[dealt] = np.arange(len(dealt)) % folds
    parts = [
        _pairs_of_fold(np.flatnonzero(fold_of[faces.people] == fold), faces, rng=rng)
        for fold in range(folds)
    ]
    same = [np.repeat([True, False], len(pairs) // 2) for pairs in parts]
    return Pairs(
        first=np.concatenate([pairs[:, 0] for pairs in parts]),
        second=np.concatenate([pairs[:, 1] for pairs in parts]),
        same=np.concatenate(same),
        fold=np.repeat(np.arange(folds), [len(pairs) for pairs in parts]),
    )


def _pairs_of_fold(
    rows: npt.NDArray[np.intp], faces: Faces, *, rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return (2 K, 2) rows: K pairs of one person, then K of two."""
    first, second = np.triu_indices(len(rows), k=1)
    one = faces.people[rows[first]] == faces.people[rows[second]]
    true, false = np.flatnonzero(one), np.flatnonzero(~one)
    count = min(PAIRS_PER_FOLD, len(true), len(false))
    picked = np.concatenate(
        [rng.choice(true, count, replace=False), rng.choice(false, count, replace=False)]
    )
    return np.stack([rows[first[picked]], rows[second[picked]]], axis=1)


def verify(faces: Faces, pairs: Pairs, *, engine: Engine) -> Verification:
    """Return how well the engine tells these pairs apart."""
    first, second = faces.embeddings[pairs.first], faces.embeddings[pairs.second]
    distances = np.array(
        [
            engine.distances(one[None], other[None])[0, 0]
            for one, other in zip(first, second, strict=True)
        ],
        dtype=np.float64,
    )
    distances[~(faces.found[pairs.first] & faces.found[pairs.second])] = np.inf
    accuracies = []
    for fold in np.unique(pairs.fold):
        inside = pairs.fold == fold
        best = best_threshold(distances[~inside], pairs.same[~inside])
        accuracies.append(float(((distances[inside] <= best) == pairs.same[inside]).mean()))
    return judge(
        np.sort(distances[pairs.same]),
        np.sort(distances[~pairs.same]),
        accuracy=float(np.mean(accuracies)),
        accuracy_sd=float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else 0.0,
        threshold=best_threshold(distances, pairs.same),
    )


def judge(
    same: Numbers, different: Numbers, *, accuracy: float, accuracy_sd: float, threshold: float
) -> Verification:
    """Return the rates for sorted distances of one person's and of two people's pairs."""
    thresholds = {rate: _largest_within(different, rate) for rate in FALSE_ACCEPT_RATES}
    return Verification(
        accuracy=accuracy,
        accuracy_sd=accuracy_sd,
        eer=equal_error_rate(same, different),
        threshold=threshold,
        tar_at_far={rate: float((same <= limit).mean()) for rate, limit in thresholds.items()},
        threshold_at_far=thresholds,
        same=same,
        different=different,
    )


def best_threshold(distances: Numbers, same: npt.NDArray[np.bool_]) -> float:
    """Return the distance that calls most pairs right: halfway between two that occur.

    Of those that call almost as many right as the best one (ALMOST) it is the one nearest to their middle: which of
    them is the best is chance, and another sample would have another.
    """
    order = np.argsort(distances, kind="stable")
    ranked, is_same = distances[order], same[order]
    # Right answers if the first n pairs are called one person.
    right = np.concatenate([[0], np.cumsum(is_same)]) + np.concatenate(
        [np.cumsum(~is_same[::-1])[::-1], [0]]
    )
    # Equal distances are called alike, and infinite ones never one person.
    cut = np.flatnonzero(np.concatenate([[True], ranked[1:] > ranked[:-1], [True]]))
    cut = cut[cut <= np.isfinite(ranked).sum()]
    good = cut[right[cut] >= right[cut].max() - ALMOST * len(ranked)]
    limits = np.array([_between(ranked, n) for n in good.tolist()])
    middle = (limits.min() + limits.max()) / 2
    return float(limits[np.abs(limits - middle).argmin()])


def _between(ranked: Numbers, n: int) -> float:
    """Return a distance that calls the first n of the sorted pairs one person: halfway to the next that has a face."""
    low = ranked[n - 1] if n else 0.0
    high = ranked[n] if n < len(ranked) and np.isfinite(ranked[n]) else low
    return float((low + high) / 2)


def equal_error_rate(same: Numbers, different: Numbers) -> float:
    """Return the rate at which as many true pairs are refused as false ones accepted, between the two nearest steps."""
    limits = np.unique(np.concatenate([same[np.isfinite(same)], different[np.isfinite(different)]]))
    accepted = np.searchsorted(different, limits, side="right") / len(different)
    refused = 1 - np.searchsorted(same, limits, side="right") / len(same)
    nearest = int(np.argmin(np.abs(accepted - refused)))
    return float((accepted[nearest] + refused[nearest]) / 2)


def _largest_within(different: Numbers, rate: float) -> float:
    """Return the largest distance at which no more than this share of false pairs is accepted."""
    allowed = int(np.floor(rate * len(different) + 1e-9))
    return float(np.nextafter(different[min(allowed, len(different) - 1)], -np.inf))


def all_pairs(faces: Faces, *, engine: Engine) -> tuple[Numbers, Numbers]:
    """Return the sorted distances of all pairs of one person, and of all of two people, among photos with a face."""
    rows = np.flatnonzero(faces.found)
    vectors, people = faces.embeddings[rows], faces.people[rows]
    same: list[npt.NDArray[np.float32]] = []
    different: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(rows), BLOCK):
        block = engine.distances(vectors[start : start + BLOCK], vectors)
        # Each pair once: only what stands to the right of the diagonal.
        later = np.arange(len(rows))[None, :] > np.arange(start, start + len(block))[:, None]
        one = people[start : start + len(block), None] == people[None, :]
        same.append(block[later & one])
        different.append(block[later & ~one])
    return (
        np.sort(np.concatenate(same)).astype(np.float64),
        np.sort(np.concatenate(different)).astype(np.float64),
    )
