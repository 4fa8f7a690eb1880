"""manage.py export: a backup, while everything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from facewatch.moving import backup, exporting
from facewatch.moving.progress import in_one_line, shown
from recognition.progress import console, stoppable


class Command(BaseCommand):
    help = (
        "Write a backup into a folder: rows of one moment and the files that they name, while Facewatch runs or not."
        " Into the same folder again it takes what is new, and an interrupted call goes on. It holds faces and secrets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, metavar="FOLDER", help="A new or an empty one, or a backup."
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="Instead: read the backup in the folder and compare all of it with its hashes.",
        )

    @stoppable()
    def handle(self, *, folder: Path, verify: bool, **_: Any) -> None:
        with in_one_line():
            if verify:
                self._verify(folder)
            else:
                self._export(folder)

    def _export(self, folder: Path) -> None:
        with shown(console(self.stdout)) as progress:
            manifest = exporting.export(folder, progress=progress)
        rows = sum(table.rows for table in manifest.tables.values())
        key = "with" if manifest.secret_key else "without"
        self.stdout.write(
            f"{folder} is a backup of {manifest.created_at}: {rows} rows, {manifest.files} files"
            f" ({manifest.bytes / 1e6:.1f} MB), {key} the secret key."
        )
        if manifest.deleted:
            count = len(manifest.deleted)
            self.stdout.write(f"Deleted meanwhile, and not restored: {count} photos.")
        for name in manifest.missing:
            self.stderr.write(f"{name}: the storage does not have it as the database says.")

    def _verify(self, folder: Path) -> None:
        manifest = backup.read_manifest(folder)
        with shown(console(self.stdout)) as progress:
            progress.files_in_all(manifest.files)
            backup.verify(folder, manifest, tick=progress.files)
        self.stdout.write(
            f"{folder} is whole: the backup of {manifest.created_at}, {manifest.files} files."
        )
