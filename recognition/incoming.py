"""Several photos sent with one form: the good ones are kept, and each of the others gets its own line.

And what becomes of one that failed: it may be tried again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from ledger.intake import Refused
from recognition import engine as engines
from recognition import photos, tasks
from recognition.models import Person, Photo

#: What to do about a file that is not taken, by the code of its error.
ADVICE = {
    engines.ImageError.code: _lazy("Send another photo."),
    "unreadable_image": _lazy("Open it in a picture viewer, save it again, and send that copy."),
    "unsupported_format": _lazy("Save it as a JPEG, PNG or WebP picture, and send that."),
    "too_many_pixels": _lazy("Send a smaller copy."),
    "file_missing": _lazy("Its file is gone: upload the photo again."),
    "worker_died": _lazy(
        "The photo may be damaged: save it again in a picture viewer, and send that copy."
    ),
    "out_of_memory": _lazy("Try again when less is going on, or send a smaller copy."),
    "server_error": _lazy(
        "Try again; if it fails each time, whoever runs the server finds the error in the log."
    ),
}


def advice(code: str) -> str:
    """Return what to do about a photo with this error code, empty if nothing is known that helps."""
    return str(ADVICE.get(code, ""))


@dataclass(kw_only=True)
class Intake:
    """What became of the files of one form: how many are new, who was there already, and a line for each refused."""

    taken: int = 0
    known: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def take(
    files: "Iterable[UploadedFile[Any]]",
    *,
    owner: Any,
    person: Person | None = None,
    source: str = "",
) -> Intake:
    """Store the files, as enrolments with `person`, and wake the workers for them; call it outside a transaction."""
    intake = Intake()
    origin = photos.Origin(source=source)
    for file in files:
        name = file.name or _("a file without a name")
        try:
            stored = photos.store_photo(file, owner=owner, person=person, origin=origin)
        except engines.ImageError as error:
            intake.refused.append(f"{name}: {error} {ADVICE.get(error.code, '')}".rstrip())
        except photos.TooLarge as error:
            intake.refused.append(_("%s: %s Send a smaller copy.") % (name, error))
        except Refused as error:
            intake.refused.append(
                _("%s: %s. Send it again in about %s seconds.") % (name, error, error.retry_after)
            )
        else:
            if stored.created:
                intake.taken += 1
                tasks.wake_photo(stored.photo)
            else:
                intake.known.append(name)
    return intake


def tell(request: HttpRequest, intake: Intake) -> None:
    """Say what became of the files: a line for the new ones, one for those that were there, one for each refused."""
    if intake.taken:
        text = ngettext(
            "%d photo is stored and will be looked at.",
            "%d photos are stored and will be looked at.",
            intake.taken,
        )
        messages.success(request, text % intake.taken)
    if intake.known:
        names = ", ".join(intake.known)
        messages.warning(request, _("Stored before, and not doubled: %s.") % names)
    for line in intake.refused:
        messages.error(request, _("Not stored: %s") % line)


def try_again(request: HttpRequest, photo: Photo) -> None:
    """Put a failed photo back to work, and say so; say as well if it has not failed."""
    if photos.retry_photo(photo):
        tasks.wake_photo(photo)
        messages.success(request, _("The photo is tried again."))
    else:
        messages.info(request, _("The photo has not failed; there is nothing to try again."))
