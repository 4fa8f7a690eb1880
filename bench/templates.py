"""How a person who is known by several faces is best compared: the nearest, their mean, both, weighted, mirrored.

    python -m bench.templates PEOPLE_DIR

PEOPLE_DIR has a folder per person, as Labeled Faces in the Wild has. 100 people are watched by three photos each, ten
times over; told is the share of their other photos that is missed at a given share of strangers who raise an alarm.
"""

import argparse
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from recognition import engine as engines
from recognition.evaluation import faces as faces_of
from recognition.evaluation.identification import threshold_at

WATCHED, PHOTOS, DRAWS = 100, 3, 10
FALSE_POSITIVE_RATES = (1e-3, 5e-3, 1e-2)

Vectors = npt.NDArray[np.float32]
Distances = npt.NDArray[np.float32]
#: Probes (P, D), the known faces of one person (K, D) and their qualities (K,), to distances (P,).
Rule = Callable[[Vectors, Vectors, npt.NDArray[np.float64]], Distances]


def describe(photo: Path, *, name: str) -> tuple[Vectors, Vectors, float] | None:
    """Return the main face as it is and mirrored, and its quality; None without a face."""
    model = engines.load(name)
    picture = engines.open_photo(photo)
    found = model.detect(picture)
    if not found:
        return None
    main = min(found, key=partial(faces_of.distance_from_middle, picture=picture))
    straight = model.align(engines.cut_chip(picture, main))
    vectors = model.embed([straight, np.ascontiguousarray(straight[:, ::-1])])
    return vectors[0], vectors[1], engines.assess(picture, main).value


def rules(model: engines.Engine) -> dict[str, Rule]:
    """Return what is compared, by name."""

    def to(probes: Vectors, template: Vectors) -> Distances:
        return model.distances(probes, template[None])[:, 0]

    def weighted(known: Vectors, weights: npt.NDArray[np.float64]) -> Vectors:
        template = (known * weights[:, None]).sum(axis=0) / weights.sum()
        if model.name == "opencv":
            template /= np.linalg.norm(template)
        result: Vectors = template.astype(np.float32)
        return result

    return {
        "nearest": lambda probes, known, _: model.distances(probes, known).min(axis=1),
        "mean": lambda probes, known, _: to(probes, model.fuse(known)),
        "mean, weighted by quality": lambda probes, known, quality: to(
            probes, weighted(known, quality)
        ),
        "nearest or mean": lambda probes, known, _: np.minimum(
            model.distances(probes, known).min(axis=1), to(probes, model.fuse(known))
        ),
    }


def missed(
    rule: Rule,
    *,
    people: npt.NDArray[np.intp],
    vectors: Vectors,
    qualities: npt.NDArray[np.float64],
    seed: int,
) -> list[float]:
    """Return the share of mated searches that is missed, at each of FALSE_POSITIVE_RATES; mean of the draws."""
    chance = np.random.default_rng(seed)
    rows = {person: np.flatnonzero(people == person) for person in np.unique(people)}
    rich = [person for person, own in rows.items() if len(own) > PHOTOS]
    shares = np.zeros((DRAWS, len(FALSE_POSITIVE_RATES)))
    for draw in range(DRAWS):
        watched = chance.permutation(rich)[:WATCHED]
        known = {person: chance.permutation(rows[person])[:PHOTOS] for person in watched}
        searched = np.flatnonzero(
            ~np.isin(np.arange(len(people)), np.concatenate(list(known.values())))
        )
        distances = np.stack(
            [rule(vectors[searched], vectors[own], qualities[own]) for own in known.values()],
            axis=1,
        )
        column = {person: number for number, person in enumerate(watched)}
        mated = np.isin(people[searched], watched)
        nearest = distances.min(axis=1)
        right = np.array([column[person] for person in people[searched][mated]])
        own = distances[mated, right]
        own = np.where(own <= nearest[mated], own, np.inf)
        limits = [
            threshold_at(nearest[~mated].astype(np.float64), rate) for rate in FALSE_POSITIVE_RATES
        ]
        shares[draw] = [float((own > limit).mean()) for limit in limits]
    return [float(share) for share in shares.mean(axis=0)]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PEOPLE_DIR")
    parser.add_argument("--engine", choices=engines.MODULES, default="opencv")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    console = Console(width=110)
    photos = faces_of.list_photos(options.folder)
    look = partial(describe, name=options.engine)
    with (
        multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool,
        Progress(console=console) as progress,
    ):
        looked = pool.imap(look, photos, chunksize=8)
        found = list(progress.track(looked, total=len(photos), description="faces"))
    seen = [(path.parent, face) for path, face in zip(photos, found, strict=True) if face]
    codes = {person: code for code, person in enumerate(sorted({person for person, _ in seen}))}
    people = np.array([codes[person] for person, _ in seen])
    qualities = np.array([quality for _, (_, _, quality) in seen]) + 1e-3
    straight = np.array([vector for _, (vector, _, _) in seen])
    both = straight + np.array([mirrored for _, (_, mirrored, _) in seen])
    both /= np.linalg.norm(both, axis=1, keepdims=True) / np.linalg.norm(
        straight, axis=1, keepdims=True
    )
    model = engines.load(options.engine)
    table = Table(
        "a person is as near as the",
        *(f"missed at FPIR {rate:.1%}" for rate in FALSE_POSITIVE_RATES),
        title=f"{options.engine}, {WATCHED} people watched by {PHOTOS} photos each",
    )
    for suffix, vectors in (("", straight), (", mirrored as well", both)):
        for name, rule in rules(model).items():
            shares = missed(
                rule, people=people, vectors=vectors, qualities=qualities, seed=options.seed
            )
            table.add_row(name + suffix, *(f"{share:.2%}" for share in shares))
    console.print(machine.describe(), table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
