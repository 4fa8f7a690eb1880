"""manage.py import: a backup becomes this installation."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from facewatch.moving import importing
from facewatch.moving.progress import in_one_line, shown, standing_still
from recognition.progress import console, stoppable


class Command(BaseCommand):
    help = (
        "Restore a backup that manage.py export wrote, into an installation that is empty and stopped. All of it"
        " is compared with its hashes first, and the rows come last, in one step; an interrupted call goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="FOLDER", help="The backup.")
        parser.add_argument(
            "--moved",
            action="store_true",
            help="The installation was stopped before the export and stays so: what waited to be sent is sent."
            " Otherwise it may have been sent since, and is shown as unknown.",
        )

    @stoppable()
    def handle(self, *, folder: Path, moved: bool, **_: Any) -> None:
        with in_one_line(), standing_still(settings.DATA_DIR) as is_stopped:
            if not is_stopped:
                raise CommandError("Facewatch is running on this data folder: stop it first.")
            with shown(console(self.stdout)) as progress:
                manifest = importing.restore(folder, was_stopped=moved, progress=progress)
        rows = sum(table.rows for table in manifest.tables.values())
        self.stdout.write(
            f"Restored as it was at {manifest.created_at}: {rows} rows, {manifest.files} files, equal to the backup."
        )
        if manifest.deleted:
            self.stdout.write(
                f"Left out: {len(manifest.deleted)} photos that were deleted meanwhile."
            )
        for name in manifest.missing:
            self.stderr.write(f"{name}: was missing or altered when the backup was made.")
        self.stdout.write("Start it with manage.py serve.")
