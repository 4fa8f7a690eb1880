"""Why a file is no known face, in plain words, and what to do about it: by the codes of files, photos and archives."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _lazy

from recognition.archives import Problem
from recognition.incoming import ADVICE


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What a code means, in two or three words, and what to do; `advice` is empty where the detail says it."""

    title: Any
    advice: Any = ""


_SAVE_AGAIN, _SMALLER = ADVICE["unreadable_image"], ADVICE["too_many_pixels"]
_REASONS: dict[str, Reason] = {
    # Enrolments: their detail says what to do.
    "no_face": Reason(title=_lazy("No face found")),
    "many_faces": Reason(title=_lazy("Several faces")),
    "low_quality": Reason(title=_lazy("Not good enough")),
    # Files
    "invalid_image": Reason(title=_lazy("Not a photo"), advice=ADVICE["invalid_image"]),
    "unreadable_image": Reason(title=_lazy("Damaged file"), advice=_SAVE_AGAIN),
    "unsupported_format": Reason(
        title=_lazy("Not a photo that can be read"),
        advice=ADVICE["unsupported_format"],
    ),
    "too_many_pixels": Reason(title=_lazy("Too many pixels"), advice=_SMALLER),
    "too_large": Reason(title=_lazy("File too large"), advice=_SMALLER),
    "file_missing": Reason(title=_lazy("File gone"), advice=_lazy("Send the photo again.")),
    # The machine
    "worker_died": Reason(
        title=_lazy("Could not be looked at"),
        advice=_lazy("Try again; if it fails again, send another photo."),
    ),
    "out_of_memory": Reason(
        title=_lazy("Too large for the server"),
        advice=_lazy("Send a smaller copy, or try again when the server is less busy."),
    ),
    "server_error": Reason(title=_lazy("The server failed"), advice=_lazy("Try again later.")),
    "disk_full": Reason(title=_lazy("Waits for room on the disk")),
    "storage_unavailable": Reason(title=_lazy("Waits for the storage of the photos")),
    "paused": Reason(title=_lazy("Paused: it goes on when somebody resumes it")),
    "backlog_full": Reason(title=_lazy("Waits until there is room")),
    # Files of archives
    Problem.SYSTEM: Reason(title=_lazy("Not meant for people: left by a file manager")),
    Problem.HIDDEN: Reason(title=_lazy("Hidden file")),
    Problem.UNSAFE: Reason(
        title=_lazy("Unusable path"),
        advice=_lazy("Pack the folders themselves, with plain names, and send the new archive."),
    ),
    Problem.NOT_PHOTO: Reason(
        title=_lazy("Not a JPEG, PNG or WebP file"),
        advice=_lazy("If it is a photo, save it as a JPEG, and send that."),
    ),
    Problem.ENCRYPTED: Reason(
        title=_lazy("Locked with a password"), advice=_lazy("Pack it without a password.")
    ),
    Problem.COMPRESSION: Reason(
        title=_lazy("Packed in an unusual way"), advice=_lazy("Pack it as a plain zip archive.")
    ),
    Problem.EMPTY: Reason(title=_lazy("Empty file")),
    Problem.BOMB: Reason(title=_lazy("Unpacks to far more than it is"), advice=_SAVE_AGAIN),
    Problem.NO_FOLDER: Reason(
        title=_lazy("Not in a person's folder"),
        advice=_lazy("Put it into a folder that has the person's name."),
    ),
    Problem.NESTED: Reason(
        title=_lazy("In a folder within a person's folder"),
        advice=_lazy("Put it into the person's folder itself."),
    ),
    Problem.LONG_NAME: Reason(
        title=_lazy("The folder's name is too long"),
        advice=_lazy("A name may have 200 letters."),
    ),
    Problem.DAMAGED: Reason(
        title=_lazy("Damaged within the archive"), advice=_lazy("Pack it again.")
    ),
}


def reason(code: str) -> Reason:
    """Return what a code means; one that nobody has explained stands for itself."""
    return _REASONS.get(code) or Reason(title=code)
