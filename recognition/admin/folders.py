"""What the pages of an archive show: its folders with whom they name, and the files that are passed over."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, F, Q, When
from django.utils.functional import cached_property

from recognition import people
from recognition.admin.reasons import Reason, reason
from recognition.models import Batch, BatchEntry, KnownFace, Person, Photo

#: Folders on one page, and files that are named for one reason.
FOLDERS, FILES = 100, 50
#: Outcomes of files that have a photo.
TAKEN = (BatchEntry.STORED, BatchEntry.KNOWN)

_ENROLLED = Q(outcome__in=TAKEN, photo__stage=Photo.Stage.DONE)
_BUSY = Q(outcome__in=TAKEN, photo__stage__in=Photo.OPEN_STAGES)
_WAITING = Q(outcome="")
_GONE = Q(outcome__in=TAKEN, photo=None)
#: Files that became no known face, and will not by themselves.
REFUSED = ~Q(outcome__in=("", *TAKEN)) | Q(photo__stage=Photo.Stage.FAILED)


@dataclass(kw_only=True)
class Folder:
    """The files of one person: how many wait, are in work, enrolled, refused; of the enrolled, those known before."""

    name: str
    files: int
    waiting: int
    busy: int
    enrolled: int
    known: int
    refused: int
    person: Person | None = None
    faces: int = 0
    similar: list[str] = field(default_factory=list)

    @property
    def is_lonely(self) -> bool:
        """Whether somebody new would be known by one photo alone."""
        return self.waiting == 1 and not self.faces


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """The files that are refused for one reason: how many, and the first of them."""

    reason: Reason
    count: int
    entries: list[BatchEntry]

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.entries)


class Contents:
    """An archive as its page shows it, with one page of its folders."""

    def __init__(self, batch: Batch, *, page: str) -> None:
        self.batch = batch
        self._page = page

    @cached_property
    def folders(self) -> list[Folder]:
        """All folders that name somebody, by name; without whom they name."""
        counts = {
            "files": Count("pk"),
            "waiting": Count("pk", filter=_WAITING),
            "busy": Count("pk", filter=_BUSY),
            "enrolled": Count("pk", filter=_ENROLLED),
            "known": Count("pk", filter=_ENROLLED & Q(outcome=BatchEntry.KNOWN)),
            "refused": Count("pk", filter=REFUSED),
        }
        rows = self.batch.entries.exclude(name="").order_by().values("name")
        found = cast("Iterable[dict[str, Any]]", rows.annotate(**counts))
        return sorted(
            (Folder(**row) for row in found), key=lambda one: (squashed(one.name), one.name)
        )

    @cached_property
    def totals(self) -> dict[str, int]:
        """How many of all files are in which state; `all` are those that were or will be taken."""
        counts = self.batch.entries.aggregate(
            files=Count("pk"),
            waiting=Count("pk", filter=_WAITING),
            busy=Count("pk", filter=_BUSY),
            enrolled=Count("pk", filter=_ENROLLED),
            known=Count("pk", filter=_ENROLLED & Q(outcome=BatchEntry.KNOWN)),
            gone=Count("pk", filter=_GONE),
            refused=Count("pk", filter=REFUSED),
        )
        folders = [folder for folder in self.folders if folder.files > folder.refused]
        return counts | {"people": len(folders), "new": sum(not self._known(f) for f in folders)}

    @cached_property
    def page(self) -> "Page[Folder]":
        """One page of the folders, with whom each names and which other names look alike."""
        shown = Paginator(self.folders, FOLDERS).get_page(self._page)
        found = list(shown)
        alike = _alike([*self._people, *(folder.name for folder in self.folders)])
        chosen = self._chosen(found)
        for folder in found:
            folder.person = chosen.get(folder.name) or self._known(folder)
            folder.similar = sorted(alike.get(squashed(folder.name), set()) - {folder.name})
        faces = _count_faces(folder.person for folder in found if folder.person)
        for folder in found:
            folder.faces = faces.get(folder.person.pk, 0) if folder.person else 0
        return shown

    @cached_property
    def refusals(self) -> list[Refusals]:
        """What is passed over or refused, by reason, the most frequent first."""
        rows = self.batch.entries.filter(REFUSED)
        coded = rows.annotate(why=_why()).values("why").annotate(count=Count("pk"))
        counts = sorted(coded.values_list("why", "count"), key=lambda one: (-one[1], one[0]))
        return [
            Refusals(
                reason=reason(code),
                count=count,
                entries=list(
                    rows.annotate(why=_why())
                    .filter(why=code)
                    .select_related("photo")
                    .order_by("index")[:FILES]
                ),
            )
            for code, count in counts
        ]

    @cached_property
    def _people(self) -> dict[str, Person]:
        """Known people by name, the oldest of each."""
        found: dict[str, Person] = {}
        for person in people.known_people().only("name").order_by("created_at"):
            found.setdefault(person.name, person)
        return found

    def _known(self, folder: Folder) -> Person | None:
        return self._people.get(folder.name)

    def _chosen(self, folders: Sequence[Folder]) -> dict[str, Person]:
        """Return the people whom the files taken so far were given to, by the folder's name."""
        names = [folder.name for folder in folders]
        rows = self.batch.entries.filter(name__in=names).exclude(person=None)
        pairs = rows.order_by().values_list("name", "person").distinct()
        found = Person.objects.in_bulk([person for _, person in pairs])
        return {name: found[person] for name, person in pairs}


def _why() -> Any:
    """Return the code of why a file is refused: its own, or its photo's."""
    return Case(When(outcome__in=TAKEN, then=F("photo__error_code")), default=F("outcome"))


def _count_faces(found: Iterable[Person]) -> dict[Any, int]:
    ids = [person.pk for person in found]
    rows = KnownFace.objects.filter(person__in=ids).order_by().values_list("person")
    return dict(rows.annotate(count=Count("pk")))


def _alike(names: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        found.setdefault(squashed(name), set()).add(name)
    return found


def squashed(name: str) -> str:
    """Return what is left of a name without capitals, accents, spaces and signs: names that are alike are the same."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())
