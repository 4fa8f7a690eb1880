"""manage.py audit-gallery: is who is known found?"""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from rich.table import Table

from recognition import audits, loaded, progress
from recognition.engine import EngineError
from recognition.gallery import indexed, parity
from recognition.gallery.indexed import IndexedGallery
from recognition.models import GalleryAudit


class Command(BaseCommand):
    help = (
        "Compare the answers of the gallery with those of comparing each known face, store and print how many agree."
        " If too few do, the exit status is 1, the operators are told, and an index is not used until an audit passes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--probes",
            type=_positive,
            default=audits.PROBES,
            help="Stored faces to ask for (default: %(default)s).",
        )
        parser.add_argument(
            "--rebuild", action="store_true", help="Make the index of pgvector anew before."
        )

    @progress.stoppable()
    def handle(self, *, probes: int, rebuild: bool, **_: Any) -> None:
        console = progress.console(self.stdout)
        try:
            loaded.start()
            known, engine = loaded.known(), loaded.engine()
            if rebuild:
                if not isinstance(known, IndexedGallery):
                    raise CommandError("There is no index: FACEWATCH_GALLERY is not pgvector.")
                console.print("Making the index anew: about a minute for each 100,000 faces …")
                indexed.rebuild(engine.name)
            with progress.bar(console) as bar:
                task = bar.add_task("Comparing", total=probes)
                row = audits.audit(
                    known,
                    engine=engine,
                    probes=probes,
                    tell=lambda done: bar.advance(task, done),
                )
                bar.update(task, total=row.probes)
        except (EngineError, DatabaseError, parity.Busy) as error:
            raise CommandError(str(error)) from error
        console.print(_table(row))
        if not row.is_passed:
            raise CommandError(audits.consequence(row))


def _table(row: GalleryAudit) -> Table:
    table = Table("figure", "value", title=str(row), title_justify="left")
    table.add_row("engine, held by", f"{row.engine}, {row.held}")
    table.add_row("known faces", f"{row.faces:,}")
    table.add_row("probes", f"{row.probes:,}")
    table.add_row("answered as comparing each face does", f"{row.agreed:,}")
    table.add_row("recall, 95 % interval", f"{row.recall:.2%} ({row.low:.2%} to {row.high:.2%})")
    table.add_row(f"at least {parity.LEAST_RECALL:.0%}", "passed" if row.is_passed else "FAILED")
    return table


def _positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of probes")
    return int(text)
