"""manage.py migrate-to: from SQLite to PostgreSQL."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from facewatch.moving import databases, media, mirroring, rows
from facewatch.moving.mirroring import Comparison
from facewatch.moving.progress import in_one_line, shown, standing_still
from facewatch.moving.tables import carried
from facewatch.moving.worklist import Worklist
from recognition.progress import console, stoppable

#: How often each row is read: to see what is there, to fill in, to settle, to compare.
READS = 4


class Command(BaseCommand):
    help = (
        "Copy the database into a PostgreSQL, and compare all of it. Call it while Facewatch runs, for most of the"
        " work, and once more when it is stopped, for what came since; an interrupted call goes on."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("url", metavar="URL", help="postgres://user:password@host:5432/name")
        parser.add_argument(
            "--media",
            metavar="PLACE",
            help="Copy the photos, too: into a folder, the media/ of a data folder elsewhere, or to what STORAGE_URL"
            " may be, as s3://bucket/prefix.",
        )
        parser.add_argument(
            "--verify", action="store_true", help="Copy nothing: compare both sides, and show it."
        )

    @stoppable()
    def handle(self, *, url: str, verify: bool, **options: Any) -> None:
        place: str | None = options["media"]
        with in_one_line(), standing_still(settings.DATA_DIR) as is_stopped:
            databases.check_current(using="default")
            if place:
                media.place(place)
            with databases.target(url) as target:
                if verify:
                    self._verify(target, place=place)
                else:
                    self._copy(target, url=url, place=place)
            if not verify:
                self._say_next(url, is_stopped=is_stopped, place=place)

    def _copy(self, target: str, *, url: str, place: str | None) -> None:
        with databases.snapshot() as source, shown(console(self.stdout)) as progress:
            progress.rows_in_all(READS * _count(source))
            held = mirroring.claim(source=source, target=target, tick=progress.rows)
            if databases.migrations(using=target) != databases.code_migrations():
                databases.make_tables(url)
            if not held:
                progress.rows(_count(source))
            copied = mirroring.copy(source=source, target=target, held=held, tick=progress.rows)
        in_all = sum(table.here for table in copied.tables)
        self.stdout.write(
            f"{in_all} rows in {len(copied.tables)} tables are equal on both sides ({copied.stored} stored now,"
            f" {copied.removed} removed)."
        )
        if place:
            self._copy_files(place)

    def _copy_files(self, place: str) -> None:
        target = media.place(place)
        with (
            Worklist(media.list_of(place)) as worklist,
            shown(console(self.stdout)) as progress,
        ):
            with databases.snapshot() as source:
                progress.files_in_all(worklist.want(media.named(using=source)))
            files = media.transfer(
                worklist,
                source=default_storage,
                target=target,
                tick=progress.files,
            )
        self.stdout.write(f"{files.files} files are there, equal by hash.")
        for name in files.missing:
            self.stderr.write(f"{name}: the storage does not have it as the database says.")

    def _verify(self, target: str, *, place: str | None) -> None:
        differing: list[str] = []
        with databases.snapshot() as source, shown(console(self.stdout)) as progress:
            progress.rows_in_all(2 * _count(source))
            found = mirroring.compare(source=source, target=target, tick=progress.rows)
            if place:
                differing = media.differing(
                    media.named(using=source), source=default_storage, target=media.place(place)
                )
        console(self.stdout).print(_table(found))
        for name in differing:
            self.stderr.write(f"{name}: is missing there, or has other bytes.")
        wrong = [one.label for one in found if not one.is_equal]
        if wrong or differing:
            raise CommandError(
                f"Not equal: {len(wrong)} tables, {len(differing)} files. Stop Facewatch, and call it without --verify."
            )

    def _say_next(self, url: str, *, is_stopped: bool, place: str | None) -> None:
        if not is_stopped:
            self.stdout.write(
                "Facewatch is running: what comes in from now on is not in the copy. Stop it, and call this again."
            )
            return
        photos = ""
        if place:
            photos = (
                f", STORAGE_URL={_masked(place)}"
                if "://" in place
                else f", with {place} as media/ of its data folder,"
            )
        self.stdout.write(f"Now set DATABASE_URL={_masked(url)}{photos} and start Facewatch.")


def _count(alias: str) -> int:
    return sum(rows.count(table, using=alias) for table in carried())


def _masked(url: str) -> str:
    """Return the address without its password."""
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":…@", 1) if password else url


def _table(found: list[Comparison]) -> Table:
    made = Table("table", "rows here", "rows there", "content")
    for one in found:
        made.add_row(
            one.label, str(one.here), str(one.there), "equal" if one.is_equal else "differs"
        )
    return made
