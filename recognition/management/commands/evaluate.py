"""manage.py evaluate: how often an engine errs on a folder of people."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from recognition import engine as engines
from recognition import progress
from recognition.engine import EngineError
from recognition.evaluation import faces, identification, plots, report, verification
from recognition.evaluation.report import Report


class Command(BaseCommand):
    help = (
        "Measure an engine on a folder with a folder of photos per person: are two photos of one person"
        " (verification), and does a watch-list find whom it should and leave strangers alone (identification)?"
        " Nothing is stored."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, metavar="DIR", help="Folder with a folder per person."
        )
        parser.add_argument(
            "pairs", type=Path, nargs="?", help="List of pairs in LFW's format (default: drawn)."
        )
        parser.add_argument(
            "--engine", default=settings.ENGINE, help="dlib or opencv (default: %(default)s)."
        )
        parser.add_argument(
            "--gallery",
            type=_sizes,
            default=[10, 100, 1000],
            metavar="N,N",
            help="How many people are watched (default: 10,100,1000).",
        )
        parser.add_argument(
            "--photos", type=_positive, default=3, help="Photos that each is known by (default: 3)."
        )
        parser.add_argument(
            "--draws", type=_positive, default=10, help="Times that people are drawn (default: 10)."
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="The same seed draws the same people."
        )
        parser.add_argument(
            "--processes",
            type=_positive,
            default=settings.WORKERS,
            help="Processes that look at photos.",
        )
        parser.add_argument(
            "--json", metavar="FILE", help="Write the figures as JSON; - for standard output."
        )
        parser.add_argument(
            "--plots", type=Path, metavar="DIR", help="Write the curves as pictures."
        )

    @progress.stoppable()
    def handle(self, *, folder: Path, pairs: Path | None, **options: Any) -> None:
        # Standard output may be wanted for JSON alone.
        console = (
            Console(stderr=True, highlight=False)
            if options["json"] == "-"
            else progress.console(self.stdout)
        )
        try:
            found = _measure(folder, pairs, options=options, console=console)
        except (EngineError, OSError) as error:
            raise CommandError(str(error)) from error
        for table in _tables(found):
            console.print(table)
        console.print(
            "In brackets the distance; below a rate, its interval in 95 of 100 bootstraps."
        )
        if (threshold := report.recommended(found)) is not None:
            console.print(f"Recommended alert threshold: {threshold:.3f}")
        if folder_of_plots := options["plots"]:
            for file in plots.draw(
                folder_of_plots,
                engine=found.engine,
                verification=found.every_pair,
                identifications=found.identifications,
            ):
                console.print(str(file), markup=False, soft_wrap=True)
        if options["json"] == "-":
            self.stdout.write(json.dumps(report.to_json(found), indent=2))
        elif options["json"]:
            Path(options["json"]).write_text(json.dumps(report.to_json(found), indent=2) + "\n")


def _measure(
    folder: Path, pairs: Path | None, *, options: dict[str, Any], console: Console
) -> Report:
    engine = engines.load(options["engine"])
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder.")
    photos = faces.list_photos(folder)
    with progress.bar(console) as bar:
        task = bar.add_task(f"faces, {engine.name}", total=len(photos))
        embeddings = []
        for embedding in faces.describe(photos, engine=engine.name, processes=options["processes"]):
            embeddings.append(embedding)
            bar.advance(task)
        known = faces.collect(photos, embeddings)
        protocol = (
            verification.read_pairs(pairs, known)
            if pairs
            else verification.draw_pairs(known, seed=options["seed"])
        )
        same, different = verification.all_pairs(known, engine=engine)
        verified = verification.verify(known, protocol, engine=engine)
        task = bar.add_task("watch-lists", total=len(options["gallery"]))
        identified = []
        for size in options["gallery"]:
            identified.append(
                identification.identify(
                    known,
                    engine=engine,
                    gallery=size,
                    photos=options["photos"],
                    draws=options["draws"],
                    seed=options["seed"],
                )
            )
            bar.advance(task)
    for size, result in zip(options["gallery"], identified, strict=True):
        if result is None:
            console.print(f"Too few people to watch {size} of them and have strangers left.")
    return Report(
        engine=engine.name,
        alert=engine.thresholds.alert,
        people=int(known.people.max()) + 1,
        photos=len(photos),
        faces=int(known.found.sum()),
        verification=verified,
        every_pair=verification.judge(
            same, different, accuracy=0.0, accuracy_sd=0.0, threshold=verified.threshold
        ),
        identifications=[result for result in identified if result],
    )


def _tables(found: Report) -> list[Table]:
    title = (
        f"{found.engine}: {found.people} people, {found.photos} photos, {found.faces} with a face"
    )
    pairs = Table(title=title, title_justify="left")
    protocol, every = found.verification, found.every_pair
    pairs.add_column("pairs of photos")
    for name, judged in (("protocol", protocol), ("every pair", every)):
        counts = f"{len(judged.same):,} + {len(judged.different):,}"
        pairs.add_column(f"{name}\n{counts}", justify="right")
    accuracy = f"{protocol.accuracy:.2%} ± {protocol.accuracy_sd:.2%} ({protocol.threshold:.3f})"
    pairs.add_row("accuracy by folds", accuracy, "")
    pairs.add_row("equal error rate", f"{protocol.eer:.2%}", f"{every.eer:.2%}")
    for rate in verification.FALSE_ACCEPT_RATES:
        cells = (
            f"{judged.tar_at_far[rate]:.2%} ({judged.threshold_at_far[rate]:.3f})"
            for judged in (protocol, every)
        )
        pairs.add_row(f"TAR at FAR {rate:.2%}", *cells)
    if not found.identifications:
        return [pairs]
    watched = Table(title="People who are missed (FNIR)", title_justify="left")
    watched.add_column("at FPIR")
    for result in found.identifications:
        searches = f"{result.mated_searches:,} + {result.strangers_searches:,}"
        watched.add_column(f"{result.gallery} watched\n{searches} searches", justify="right")
    for row, rate in enumerate(identification.FALSE_POSITIVE_RATES):
        rates = [result.rates[row] for result in found.identifications]
        watched.add_row(
            f"{rate:.1%}",
            *(f"{at.fnir:.2%} ({at.threshold:.3f})\n{at.low:.2%} to {at.high:.2%}" for at in rates),
        )
    watched.add_row(
        f"alerts within\n{found.alert:g}",
        *(
            f"FPIR {result.fpir_at(found.alert):.2%}\nFNIR {result.fnir_at(found.alert):.2%}"
            for result in found.identifications
        ),
    )
    return [pairs, watched]


def _sizes(text: str) -> list[int]:
    return [_positive(number) for number in text.split(",")]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
