"""Photos per second on one core, of both engines, of face_recognition, and of the bare library calls.

    python -m bench.engine

Each contender is a process of its own on the same core; they take turns, photo by photo, so that all meet the same
machine. Photos are composed of the demonstration's portraits. Fails if a face is missed, and says which goals on speed
are.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO, Any, Self, cast

from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench import machine
from bench.contenders import CONTENDERS, PEER_FOLDER
from demo import photos as demo_photos
from recognition import engine as engines

#: Longest sides of the photos; 4000 × 3000 are 12 megapixels.
SIZES = (640, 1920, 4000)
CROWDS = (1, 12)
PORTRAITS = (
    "obama-2012.jpg",
    "ardern-2018.jpg",
    "hopper.jpg",
    "sunak.jpg",
    "obama-2005.jpg",
    "biden-2010.jpg",
)
#: The least times that `opencv balanced` has to be faster than face_recognition, by longest side.
GOALS = {640: 4.0, 4000: 25.0}
#: The least share of the bare calls' speed.
LIMIT_GOAL = 0.9


@dataclass(frozen=True, kw_only=True)
class Photo:
    """A file, and what is on it."""

    path: Path
    longest: int
    faces: int

    def __str__(self) -> str:
        return f"{self.longest} px, {self.faces}"


@dataclass(kw_only=True)
class Result:
    """What a contender gave for one photo, a number a round."""

    faces: set[int] = field(default_factory=set)
    milliseconds: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    megabytes: float = 0.0

    @property
    def typical(self) -> float:
        """The median of the rounds, in milliseconds."""
        return median(self.milliseconds)


#: By contender and photo.
Results = dict[tuple[str, Photo], Result]


def compose(folder: Path) -> list[Photo]:
    """Return a photo of each size with each number of faces, 4:3, as a phone would write it."""
    made = []
    for faces in CROWDS:
        whole = _group(faces)
        for longest in SIZES:
            path = folder / f"{faces}-{longest}.jpg"
            whole.resize((longest, longest * 3 // 4), Image.Resampling.LANCZOS).save(
                path, quality=90
            )
            made.append(Photo(path=path, longest=longest, faces=faces))
    return made


def _group(faces: int) -> Image.Image:
    """Return 4000 × 3000 px with so many faces, each in a tile of its own."""
    columns, rows = (1, 1) if faces == 1 else (4, faces // 4)
    sheet = Image.new("RGB", (4000, 3000), (96, 104, 112))
    model = engines.load("opencv")
    width, height = 4000 // columns, 3000 // rows
    for number in range(faces):
        image = engines.decode(demo_photos.path(PORTRAITS[number % len(PORTRAITS)]))
        (face,) = model.detect(image)
        x, y = face.box.centre
        half = round(face.box.height)
        crop = Image.fromarray(image).crop(
            (
                max(0, round(x) - half),
                max(0, round(y) - half),
                min(image.shape[1], round(x) + half),
                min(image.shape[0], round(y) + half),
            )
        )
        tile = ImageOps.contain(crop, (width, height))
        row, column = divmod(number, columns)
        sheet.paste(
            tile,
            (
                column * width + (width - tile.width) // 2,
                row * height + (height - tile.height) // 2,
            ),
        )
    return sheet


class Running:
    """A contender in its process, its models loaded; ends with the block that it is opened for."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "bench.contenders", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._questions = cast(IO[str], self._process.stdin)
        self._answers = cast(IO[str], self._process.stdout)
        if self._answers.readline() != "ready\n":
            sys.exit(f"{name} does not start; `make bench` installs what it needs.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._questions.close()
        self._process.wait()
        self._answers.close()

    def ask(self, photo: Photo) -> dict[str, Any]:
        """Let it look at a photo."""
        self._questions.write(f"{photo.path}\n")
        self._questions.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer


def measure(names: list[str], photos: list[Photo], *, rounds: int, progress: Progress) -> Results:
    """Return what each contender gave for each photo; the first look of each is not counted."""
    results: Results = {(name, photo): Result() for photo in photos for name in names}
    task = progress.add_task("measuring", total=len(results) * (rounds + 1))
    with ExitStack() as stack:
        running = {name: stack.enter_context(Running(name)) for name in names}
        for photo in photos:
            for number in range(rounds + 1):
                for name, process in running.items():
                    answer = process.ask(photo)
                    progress.advance(task)
                    result = results[name, photo]
                    result.faces.add(answer["faces"])
                    result.megabytes = answer["megabytes"]
                    if number:
                        result.milliseconds.append(answer["ms"])
                        result.stages.append(answer["stages"])
    return results


def cli(folder: Path, photos: list[Photo]) -> dict[Photo, float]:
    """Return the milliseconds a photo of the peer's command, its start and the one known face included."""
    known = folder / "known"
    known.mkdir()
    portrait = Image.open(demo_photos.path("hopper.jpg")).convert("RGB")
    portrait.save(known / "hopper.jpg")
    script = (
        f"import sys; sys.path.insert(0, {str(PEER_FOLDER)!r});"
        "from face_recognition.face_recognition_cli import main; main()"
    )
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    taken = {}
    for photo in photos:
        started = time.perf_counter()
        subprocess.run(
            [*pinned, sys.executable, "-W", "ignore", "-c", script, str(known), str(photo.path)],
            check=True,
            capture_output=True,
        )
        taken[photo] = 1000 * (time.perf_counter() - started)
    return taken


def tables(results: Results, photos: list[Photo], *, command: dict[Photo, float]) -> list[Table]:
    """Return photos per second with the ratio to the peer, and the time of each stage."""
    names = list(dict.fromkeys(name for name, _ in results))
    speed = Table(
        title="Photos per second on one core (times the peer's API)", title_justify="left"
    )
    speed.add_column("longest side, faces")
    for photo in photos:
        speed.add_column(str(photo), justify="right")
    speed.add_column("most MB", justify="right")
    for name in names:
        cells = []
        for photo in photos:
            result = results[name, photo]
            ratio = results["face_recognition", photo].typical / result.typical
            missed = f", {min(result.faces)} found" if min(result.faces) < photo.faces else ""
            cells.append(f"{1000 / result.typical:.2f} ({ratio:.1f}×{missed})")
        most = max(results[name, photo].megabytes for photo in photos)
        speed.add_row(name, *cells, f"{most:.0f}")
    if command:
        cells = [
            f"{1000 / command[photo]:.2f} ({results['face_recognition', photo].typical / command[photo]:.1f}×)"
            for photo in photos
        ]
        speed.add_row("face_recognition's command", *cells, "")
    stages = Table(title="Milliseconds a stage", title_justify="left")
    stages.add_column("contender")
    stages.add_column("photo")
    kinds = ["decode", "detect", "cut", "align", "embed"]
    for kind in kinds:
        stages.add_column(kind, justify="right")
    for name in names:
        for photo in photos:
            if photo.longest == SIZES[1]:
                continue
            found = results[name, photo].stages
            cells = [
                f"{median(stage[kind] for stage in found):.1f}" if kind in found[0] else ""
                for kind in kinds
            ]
            stages.add_row(name, str(photo), *cells)
    return [speed, stages]


def failures(results: Results, photos: list[Photo]) -> list[str]:
    """Return where faces were missed or made up, a line each."""
    ours = {photo: results["opencv balanced", photo].faces for photo in photos}
    return [
        f"{photo} faces: opencv balanced found {sorted(found)}."
        for photo, found in ours.items()
        if found != {photo.faces}
    ]


def missed_goals(results: Results, photos: list[Photo]) -> list[str]:
    """Return where the goals on speed are missed, and by how much, a line each."""
    said = []
    for photo in photos:
        ours = results["opencv balanced", photo]
        if photo.faces == 1:
            ratio = results["face_recognition", photo].typical / ours.typical
            if ratio < GOALS.get(photo.longest, 0):
                said.append(
                    f"{photo} face: {ratio:.1f} times the peer, the goal is {GOALS[photo.longest]:g}."
                )
        limit = results["bare calls", photo].typical / ours.typical
        if limit < LIMIT_GOAL:
            said.append(f"{photo} faces: {limit:.2f} of the bare calls, the goal is {LIMIT_GOAL}.")
    return said


def markdown(table: Table) -> str:
    """Return a table as Markdown."""
    header = [str(column.header) for column in table.columns]
    rows = zip(*(list(column.cells) for column in table.columns), strict=True)
    lines = [header, ["---"] * len(header), *(list(map(str, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Print the tables and the goals that are missed; return 1 if a face is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="looks at each photo (default: 7)")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, help="leave the others out")
    parser.add_argument("--longest", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables there as well"
    )
    options = parser.parse_args()
    needed = {"face_recognition", "opencv balanced", "bare calls"}
    names = [name for name in CONTENDERS if not options.only or name in {*options.only, *needed}]
    console = Console(width=180)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = [photo for photo in compose(folder) if photo.longest in options.longest]
        with Progress(console=console) as progress:
            results = measure(names, photos, rounds=options.rounds, progress=progress)
        command = {} if options.only else cli(folder, photos)
    console.print(machine.describe())
    made = tables(results, photos, command=command)
    for table in made:
        console.print(table)
    if options.markdown:
        options.markdown.write_text("\n\n".join(map(markdown, made)) + "\n")
    failed = failures(results, photos)
    for line in failed + missed_goals(results, photos):
        console.print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
