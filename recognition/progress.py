"""How long work shows itself in a terminal."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError, OutputWrapper
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ledger import workers
from ledger.intake import NoStorage, Paused, Refused
from ledger.leases import StorageUnavailable
from recognition import bulk
from recognition.bulk import Outcome
from recognition.models import Person, Photo

#: Seconds between two looks at photos in work.
LOOK_SECONDS = 0.5
#: Exit status of a command that was stopped by Ctrl-C, as shells have it.
STOPPED = 130
#: What is waited for when nothing more is taken in, where that is not room.
GOALS = {Paused.code: "it goes on", NoStorage.code: "it does"}


def console(stream: OutputWrapper | TextIO) -> Console:
    """Return a console that writes to a command's output; plain lines where that is no terminal."""
    return Console(file=stream, highlight=False)  # type: ignore[arg-type]  # an OutputWrapper writes like a file


@contextmanager
def stoppable() -> Iterator[None]:
    """Make a Ctrl-C within a command a line that says how to go on. Wherever it hits, what was stored is kept.

    So is a storage that is away.
    """
    try:
        yield
    except KeyboardInterrupt:
        line = "Stopped. What is stored is kept; the same call goes on with the rest."
        raise CommandError(line, returncode=STOPPED) from None
    except StorageUnavailable as error:
        raise CommandError(f"{error}. The same call goes on with the rest.") from error


def bar(console: Console) -> Progress:
    """Return a progress bar with count and time left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def store_all(
    images: Sequence[tuple[Path, Person | None]],
    *,
    owner: Any,
    source: str = "",
    console: Console,
    then: Callable[[Photo], None],
) -> list[Outcome]:
    """Store files, as enrolments of the person beside each if there is one; call `then` with every photo.

    Waits while nothing more is taken in, and says so. Each bad file is a line.
    """
    outcomes = []
    with bar(console) as progress:
        for path, person in progress.track(images, description="storing"):
            outcome = _store(path, owner=owner, person=person, source=source, console=console)
            outcomes.append(outcome)
            if outcome.photo:
                then(outcome.photo)
            else:
                console.print(f"{path}: {outcome.detail}", markup=False, soft_wrap=True)
    return outcomes


def _store(
    path: Path, *, owner: Any, person: Person | None, source: str, console: Console
) -> Outcome:
    told = ""
    while True:
        try:
            return bulk.store(path, owner=owner, person=person, source=source)
        except Refused as refused:
            if told != refused.code:
                goal = GOALS.get(refused.code, "there is room")
                console.print(f"{refused}; waiting until {goal}.")
            told = refused.code
            time.sleep(LOOK_SECONDS)


def follow(ids: Iterable[Any], *, console: Console) -> dict[str, int]:
    """Show how photos are worked on until all are final; return `bulk.outcomes`."""
    wanted = list(ids)
    warned = False
    with bar(console) as progress:
        task = progress.add_task("recognising", total=len(wanted))
        while True:
            counts = bulk.outcomes(wanted)
            left = sum(counts.get(stage, 0) for stage in Photo.OPEN_STAGES)
            progress.update(task, completed=len(wanted) - left)
            if not left:
                return counts
            if not warned and not workers.alive():
                warned = True
                console.print(
                    "No worker is running; start manage.py serve, or stop here: nothing is lost."
                )
            time.sleep(LOOK_SECONDS)


def table(title: str, counts: dict[str, int]) -> Table:
    """Return counts as a table."""
    made = Table("outcome", "photos", title=title, title_justify="left")
    for name, count in sorted(counts.items()):
        made.add_row(name, str(count))
    return made
