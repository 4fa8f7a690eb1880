"""A worker that comes too late with what it did, on a host that is cut off meanwhile: `python -m tests.hosts.late HOW`.

It stores a photo, claims it, and says its id. Told to go on by a line on standard input, it stores the outcome that
nobody is on it, tries again over a fresh connection if the database does not answer, and says what came of each try.
HOW is "claimed", or "storing": then all but the commit is done before.
"""

import json
import os
import sys
from contextlib import ExitStack
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
django.setup()

from django.core.files.base import ContentFile  # noqa: E402 (Django's settings come first)
from django.db import DatabaseError, connection, transaction  # noqa: E402

from ledger import leases  # noqa: E402
from recognition import photos  # noqa: E402
from recognition.models import Photo  # noqa: E402
from tests.pictures import small_copy  # noqa: E402


def claimed() -> leases.Lease[Photo]:
    """Store a photo of the watched person, claim it, and say which it is."""
    content = ContentFile(small_copy(number=os.getpid() + 10**6), name="photo.jpg")
    photo = photos.store_photo(content, owner=None).photo
    lease = leases.claim(Photo, photo.pk, stage=Photo.Stage.UPLOADED)
    assert lease is not None, "another worker was faster"
    return lease


def store(lease: leases.Lease[Photo], *, is_begun: bool) -> str:
    """Store the outcome; return the name of the error, if it could not be."""
    try:
        with ExitStack() as stack:
            stack.enter_context(transaction.atomic())
            leases.finish(lease, stage=Photo.Stage.DONE)
            if is_begun:
                go_on(lease)
    except (DatabaseError, leases.LeaseLost) as error:
        connection.close()
        return type(error).__name__
    return "stored"


def go_on(lease: leases.Lease[Photo]) -> None:
    """Say which photo it is, and wait to be told to go on."""
    say(str(lease.row.pk))
    sys.stdin.readline()


def say(answer: Any) -> None:
    """Write a line at once."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(how: str) -> None:
    """Be too late."""
    lease = claimed()
    if how == "storing":
        first = store(lease, is_begun=True)
    else:
        go_on(lease)
        first = store(lease, is_begun=False)
    say([first, store(lease, is_begun=False)])


if __name__ == "__main__":
    main(sys.argv[1])
