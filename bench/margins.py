"""Where it is certain who somebody is, and where two people are too alike to tell: what two of the thresholds stand on.

    python -m bench.margins PEOPLE_DIR [--engine opencv]

PEOPLE_DIR has a folder per person, as Labeled Faces in the Wild has. The 100 people with the most photos are watched by
three photos each, chosen anew in each of DRAWS draws; their other photos and those of everybody else are the probes.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import machine
from recognition import engine as engines
from recognition.evaluation import faces as known_faces
from recognition.evaluation.faces import Faces

#: People who are watched, photos by which each is, and draws of these.
PEOPLE, ENROLLED, DRAWS = 100, 3, 10
#: Margins that are tried.
MARGINS = (0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2)

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Probes to people: the nearest distance of strangers, and the margins of right and of wrong alerts."""

    strangers: Numbers
    right: Numbers
    wrong: Numbers


def read_faces(folder: Path, *, engine: str, console: Console) -> Faces:
    """Return the main face of each photo in a folder of people."""
    photos = known_faces.list_photos(folder)
    described = known_faces.describe(photos, engine=engine, processes=os.cpu_count() or 1)
    vectors = list(track(described, "describing faces", total=len(photos), console=console))
    return known_faces.collect(photos, vectors)


def draw(faces: Faces, *, engine: str, seed: int) -> Draw:
    """Return what one choice of enrolled photos gives."""
    rng = np.random.default_rng(seed)
    model = engines.load(engine)
    found = np.flatnonzero(faces.found)
    people, counts = np.unique(faces.people[found], return_counts=True)
    watched = people[np.argsort(-counts, kind="stable")][:PEOPLE]
    enrolled = {
        person: rng.permutation(found[faces.people[found] == person])[:ENROLLED]
        for person in watched
    }
    probes = np.setdiff1d(found, np.concatenate(list(enrolled.values())))
    distances = np.column_stack(
        [
            np.minimum(
                model.distances(faces.embeddings[probes], faces.embeddings[rows]).min(axis=1),
                model.distances(faces.embeddings[probes], model.fuse(faces.embeddings[rows])[None])[
                    :, 0
                ],
            )
            for rows in enrolled.values()
        ]
    )
    nearest, second = np.sort(distances, axis=1)[:, :2].T
    is_right = watched[distances.argmin(axis=1)] == faces.people[probes]
    is_stranger = ~np.isin(faces.people[probes], watched)
    alerts = nearest <= engines.THRESHOLDS[engine].alert
    margins = (second - nearest).astype(np.float64)
    return Draw(
        strangers=nearest[is_stranger].astype(np.float64),
        right=margins[alerts & is_right],
        wrong=margins[alerts & ~is_right],
    )


def main(folder: Path, *, engine: str, console: Console) -> None:
    """Print the two tables."""
    faces = read_faces(folder, engine=engine, console=console)
    draws = [draw(faces, engine=engine, seed=seed) for seed in range(DRAWS)]
    strangers, right, wrong = (
        np.concatenate([getattr(one, name) for one in draws])
        for name in ("strangers", "right", "wrong")
    )
    thresholds = engines.THRESHOLDS[engine]
    console.print(
        f"{machine.describe()}, {engine}: {len(strangers):,} probes of strangers, the nearest at "
        f"{strangers.min():.3f} of somebody (`certain`: {thresholds.certain}); "
        f"{len(right):,} right and {len(wrong):,} wrong alerts within {thresholds.alert}."
    )
    table = Table("margin", "right alerts that go to review first", "wrong ones")
    for margin in MARGINS:
        mark = " (`ambiguous`)" if margin == thresholds.ambiguous else ""
        table.add_row(
            f"{margin}{mark}",
            f"{100 * (right < margin).mean():.2f} %",
            f"{100 * (wrong < margin).mean():.0f} %",
        )
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PEOPLE_DIR")
    parser.add_argument("--engine", default="opencv", choices=sorted(engines.THRESHOLDS))
    options = parser.parse_args()
    main(options.folder, engine=options.engine, console=Console(width=100))
