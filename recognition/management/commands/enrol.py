"""manage.py enrol: make people known from a folder per person."""

from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from recognition import bulk, loaded, people, progress, reembedding
from recognition.engine import EngineError
from recognition.management.commands.ingest import find_owner
from recognition.models import KnownFace, Person, Photo
from recognition.tasks import wake_photo


class Command(BaseCommand):
    help = (
        "Make people known by photos: a folder per person, named as the person (underscores become spaces)."
        " A person of that name who is known already gets the further photos. Calling it again resumes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, nargs="?", metavar="DIR", help="Folder with a folder per person."
        )
        parser.add_argument(
            "--re-embed",
            action="store_true",
            help="Instead of a folder: after FACEWATCH_ENGINE was changed, describe the known faces by that engine.",
        )
        parser.add_argument("--owner", help="User who enrols (default: the first superuser).")
        parser.add_argument("--no-wait", action="store_true", help="Do not wait for the workers.")

    @progress.stoppable()
    def handle(
        self, *, folder: Path | None, owner: str | None, no_wait: bool, re_embed: bool, **_: Any
    ) -> None:
        if (folder is None) != re_embed:
            raise CommandError("Name either a folder with a folder per person, or --re-embed.")
        if folder is None:
            self._reembed()
        else:
            self._enrol(folder, owner=owner, no_wait=no_wait)

    def _reembed(self) -> None:
        try:
            engine = loaded.engine()
        except EngineError as error:
            raise CommandError(str(error)) from error
        console = progress.console(self.stdout)
        total = reembedding.foreign_faces(engine.name).count()
        problems: list[reembedding.Outcome] = []
        with progress.bar(console) as bar:
            task = bar.add_task(f"for {engine.name}", total=total)
            for outcome in reembedding.reembed(engine):
                bar.advance(task)
                if outcome.problem:
                    problems.append(outcome)
        known = KnownFace.objects.filter(face__embedding__engine=settings.ENGINE).count()
        console.print(f"{known} known faces are described by {engine.name}.")
        for outcome in problems:
            name, photo = outcome.known_face.person, outcome.known_face.face.photo_id
            console.print(
                f"{name}, photo {photo}: {outcome.problem}.", markup=False, soft_wrap=True
            )

    def _enrol(self, folder: Path, *, owner: str | None, no_wait: bool) -> None:
        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        images = {
            child.name.replace("_", " ").strip(): list(bulk.find_images([child]))
            for child in sorted(folder.iterdir())
            if child.is_dir() and not child.name.startswith(".")
        }
        images = {name: paths for name, paths in images.items() if paths}
        if not images:
            raise CommandError(f"{folder} has no folder with photos in it; make one per person.")
        user = find_owner(owner)
        console = progress.console(self.stdout)
        pairs = [(path, _person(name)) for name, paths in images.items() for path in paths]
        outcomes = progress.store_all(pairs, owner=user, console=console, then=wake_photo)
        counts = Counter(outcome.result for outcome in outcomes)
        console.print(progress.table(f"{len(images)} people, {len(outcomes)} files", counts))
        ids = [outcome.photo.pk for outcome in outcomes if outcome.photo]
        if no_wait or not ids:
            return
        console.print(progress.table("enrolled", progress.follow(ids, console=console)))
        refused = Photo.objects.filter(pk__in=ids, stage=Photo.Stage.FAILED).select_related(
            "person"
        )
        paths_by_id = {outcome.photo.pk: outcome.path for outcome in outcomes if outcome.photo}
        for photo in refused:
            console.print(
                f"{paths_by_id[photo.pk]}: {photo.error_detail}", markup=False, soft_wrap=True
            )


def _person(name: str) -> Person:
    """Return the known person of that name, the oldest of several; a new one if there is none."""
    known = people.known_people().filter(name=name).order_by("created_at").first()
    return known or Person.objects.create(name=name)
