"""manage.py ingest: hand photos from folders to the workers."""

from collections import Counter
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from watchfiles import Change, watch

from recognition import bulk, progress
from recognition.models import Photo
from recognition.tasks import wake_photo


class Command(BaseCommand):
    help = (
        "Store photos from files and folders for the workers. Photos that were stored before are skipped by their"
        " content, so that an interrupted call is resumed by the same call."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "paths", nargs="+", type=Path, metavar="PATH", help="Image file or folder."
        )
        parser.add_argument(
            "--source", default="", help="Where the photos come from, such as a camera's name."
        )
        parser.add_argument(
            "--owner", help="User whose photos they are (default: the first superuser)."
        )
        parser.add_argument("--wait", action="store_true", help="Wait until all are recognised.")
        parser.add_argument(
            "--watch", action="store_true", help="Go on with files that appear in the folders."
        )

    @progress.stoppable()
    def handle(
        self, *, paths: list[Path], source: str, owner: str | None, wait: bool, **options: Any
    ) -> None:
        longest = Photo._meta.get_field("source").max_length
        if longest and len(source) > longest:
            raise CommandError(f"The source may have {longest} characters.")
        user = find_owner(owner)
        console = progress.console(self.stdout)
        try:
            images = list(bulk.find_images(paths))
        except FileNotFoundError as error:
            raise CommandError(str(error)) from error
        outcomes = self._store(images, console=console, owner=user, source=source)
        counts = Counter(outcome.result for outcome in outcomes)
        console.print(progress.table(f"{len(images)} files", counts))
        stored = [outcome.photo.pk for outcome in outcomes if outcome.photo]
        if wait:
            console.print(progress.table("recognised", progress.follow(stored, console=console)))
        if options["watch"]:
            self._watch(paths, console=console, owner=user, source=source)
        if images and not stored:
            raise CommandError("None of the files is a photo that can be read.")

    def _store(
        self, images: list[Path], *, console: Console, owner: Any, source: str
    ) -> list[bulk.Outcome]:
        pairs = [(path, None) for path in images]
        return progress.store_all(
            pairs, owner=owner, source=source, console=console, then=wake_photo
        )

    def _watch(self, paths: list[Path], *, console: Console, owner: Any, source: str) -> None:
        """Store files as they appear, until Ctrl-C."""
        console.print("Watching for new files; stop with Ctrl-C.")
        for changes in watch(*paths, raise_interrupt=False):
            new = sorted({Path(name) for change, name in changes if change != Change.deleted})
            images = [
                path for path in new if path.suffix.lower() in bulk.SUFFIXES and path.is_file()
            ]
            for outcome in self._store(images, console=console, owner=owner, source=source):
                console.print(f"{outcome.path}: {outcome.result}", markup=False, soft_wrap=True)


def find_owner(name: str | None) -> Any:
    """Return the user of that name, or the first superuser. Raises CommandError."""
    users = get_user_model().objects.filter(is_active=True)
    if name:
        user = users.filter(username=name).first()
        if user is None:
            raise CommandError(
                f"There is no user {name!r}. Make one in the admin, or leave --owner out."
            )
        return user
    user = users.filter(is_superuser=True).order_by("pk").first()
    if user is None:
        raise CommandError("There is no superuser yet. Run manage.py prepare first.")
    return user
