"""How small a face may be to be found in a photo of 12 megapixels, and what the look costs.

    python -m bench.detail PEOPLE_DIR

PEOPLE_DIR has a folder per person, as Labeled Faces in the Wild has. Photos in which `opencv` finds one face alone, as
it does in nine of ten, are scaled down and laid out as a mosaic, 4000 × 3000 px, in which all faces have one height:
that of YuNet's box, from brow to chin. The first table tells the share that is found at each detail, the second what
the scale of the first look decides: the scale is
how many pixels of the photo become one.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from PIL import Image as pillow
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from recognition import engine as engines
from recognition.engine import Box, Detail, Detection, Engine, Image, candidates, pictures

WIDTH, HEIGHT = 4000, 3000
#: Photos that a mosaic is made of, and the most faces in one.
PHOTOS = 700
MOST = 400
HEIGHTS = (16, 20, 24, 30, 40, 60, 100)
SCALES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
DETAILS = (
    ("opencv", Detail.FAST),
    ("opencv", Detail.BALANCED),
    ("opencv", Detail.THOROUGH),
    ("dlib", Detail.BALANCED),
)
#: The least shares that `balanced` and `thorough` have to find, and of which faces.
GOALS = {(Detail.BALANCED, 40): 0.98, (Detail.THOROUGH, 24): 0.90}
Points = npt.NDArray[np.float64]

#: What counts as found: a middle nearer than this to the true one, in heights of the face.
NEAR = 0.3


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """A photo, and the middles of its faces (N, 2)."""

    image: Image
    middles: Points
    height: int

    def recall(self, found: list[Detection]) -> float:
        """Return the share of the faces that are found."""
        return float((self._gaps(found).min(axis=0, initial=np.inf) < NEAR * self.height).mean())

    def extras(self, found: list[Detection]) -> int:
        """Return how many of what was found is none of the faces; people in the background are among them."""
        return int((self._gaps(found).min(axis=1) >= NEAR * self.height).sum())

    def _gaps(self, found: list[Detection]) -> Points:
        centres = np.array([face.box.centre for face in found]).reshape(-1, 1, 2)
        gaps: Points = np.linalg.norm(centres - self.middles[None], axis=2)
        return gaps


def faces(folder: Path, *, seed: int) -> list[tuple[pillow.Image, Box]]:
    """Return photos that show one face, and where."""
    paths = sorted(folder.glob("*/*.jpg"))
    random.Random(seed).shuffle(paths)
    model = engines.load("opencv")
    usable = []
    for path in paths[:PHOTOS]:
        image = engines.decode(path)
        found = model.detect(image)
        if len(found) == 1:
            usable.append((pillow.fromarray(image), found[0].box))
    if not usable:
        sys.exit(f"{folder} holds no folder with photos of one face each.")
    return usable


def lay_out(usable: list[tuple[pillow.Image, Box]], *, height: int, seed: int) -> Mosaic:
    """Return a mosaic in which every face is so many pixels high, at places that follow no lattice."""
    chance = random.Random(seed)
    sheet = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    middles: list[Points] = []
    x = y = tallest = 0
    for image, box in chance.sample(usable, len(usable)):
        scale = height / box.height
        size = round(image.width * scale), round(image.height * scale)
        if x + size[0] > WIDTH:
            x, y, tallest = 0, y + tallest + chance.randrange(5, 40), 0
        if y + size[1] > HEIGHT or len(middles) == MOST:
            break
        tile = image.resize(size, pillow.Resampling.LANCZOS)
        sheet[y : y + size[1], x : x + size[0]] = np.asarray(tile)
        centre = np.array(box.centre) + 0.5
        middles.append(centre * scale - 0.5 + [x, y])
        x, tallest = x + size[0] + chance.randrange(5, 60), max(tallest, size[1])
    return Mosaic(image=sheet, middles=np.array(middles), height=height)


def look_from(model: Any, image: Image, *, scale: float) -> list[Detection]:
    """Return what `opencv` finds if its first look is at this scale, with no look at turned faces."""
    picture = pictures.as_picture(image)
    rows = model._confirm(picture, model._look_over(picture, scale=scale))  # noqa: SLF001 (what is measured)
    described = [candidates.describe(face.row, picture=picture, engine=model.name) for face in rows]
    return [face for face in described if face]


def empty_cost(model: Engine, *, detail: Detail) -> float:
    """Return the seconds for a look at 12 megapixels of noise, in which nothing has to be looked at closer."""
    noise = np.random.default_rng(1).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    image = np.asarray(pillow.fromarray(noise).resize((WIDTH, HEIGHT)))
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        model.detect(image, detail=detail)
        taken.append(time.perf_counter() - started)
    return min(taken)


def draw(file: Path, curves: dict[float, list[float]], costs: dict[float, float]) -> None:
    """Write the share found by height of the face, a curve a scale."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for scale, shares in curves.items():
        axes.plot(HEIGHTS, shares, marker="o", label=f"{scale:g} ({1000 * costs[scale]:.0f} ms)")
    axes.axhline(0.98, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xticks(HEIGHTS, [str(height) for height in HEIGHTS])
    axes.minorticks_off()
    axes.set(xlabel="height of the face in the photo, px", ylabel="found", ylim=(0, 1.02))
    axes.legend(title="pixels that become one\n(12 megapixels looked over)")
    figure.savefig(file, dpi=120)


def main() -> int:
    """Print the tables; return 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PEOPLE_DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the curves there")
    options = parser.parse_args()
    console = Console(width=120)
    usable = faces(options.folder, seed=options.seed)
    mosaics = [lay_out(usable, height=height, seed=options.seed) for height in HEIGHTS]
    by_detail = Table(title="Found, by detail", title_justify="left")
    by_scale = Table(title="Found, by scale of the first look (opencv)", title_justify="left")
    for table, first in ((by_detail, "engine, detail"), (by_scale, "scale")):
        table.add_column(first)
        for mosaic in mosaics:
            table.add_column(f"{mosaic.height} px\n{len(mosaic.middles)} faces", justify="right")
        table.add_column("ms", justify="right")
    missed: list[str] = []
    with Progress(console=console) as progress:
        task = progress.add_task("looking", total=(len(DETAILS) + len(SCALES)) * len(mosaics))
        for name, detail in DETAILS:
            cells = []
            for mosaic in mosaics:
                found = engines.load(name).detect(mosaic.image, detail=detail)
                share = mosaic.recall(found)
                goal = GOALS.get((detail, mosaic.height), 0) if name == "opencv" else 0
                if share < goal:
                    missed.append(f"{detail}: {share:.1%} of {mosaic.height} px, goal {goal:.0%}.")
                cells.append(f"{share:.1%} +{mosaic.extras(found)}")
                progress.advance(task)
            cost = empty_cost(engines.load(name), detail=detail)
            by_detail.add_row(f"{name}, {detail}", *cells, f"{1000 * cost:.0f}")
        curves: dict[float, list[float]] = {}
        costs: dict[float, float] = {}
        model = engines.load("opencv")
        blank = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
        for scale in SCALES:
            curves[scale] = []
            for mosaic in mosaics:
                curves[scale].append(mosaic.recall(look_from(model, mosaic.image, scale=scale)))
                progress.advance(task)
            started = time.perf_counter()
            look_from(model, blank, scale=scale)
            costs[scale] = time.perf_counter() - started
            shares = [f"{share:.1%}" for share in curves[scale]]
            by_scale.add_row(f"{scale:g}", *shares, f"{1000 * costs[scale]:.0f}")
    console.print(machine.describe())
    console.print(by_detail, by_scale)
    console.print(
        "+n: also found, people in the background among them. ms: for a photo without faces."
    )
    if options.plot:
        draw(options.plot, curves, costs)
    for line in missed:
        console.print(line)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
