"""Telling those who listen that a photo is recognised, until all of them have heard it."""

import uuid
from datetime import timedelta
from functools import cache
from typing import Any

from django.utils import timezone

from ledger import crashpoints, statements
from recognition.events import photo_recognised
from recognition.models import Photo

#: Seconds after which the sweep takes a photo's publication in hand.
PUBLISH_GRACE = 30
#: Photos that one sweep publishes at the most.
MOST_PUBLISHED = 500


def announce(photo_id: uuid.UUID | str, **facts: Any) -> bool:
    """Tell the listeners of a photo; False if one failed, whose error Django logs."""
    answers = photo_recognised.send_robust(sender=Photo, photo_id=photo_id, **facts)
    return not any(isinstance(answer, Exception) for _, answer in answers)


def publish(photo_id: uuid.UUID | str) -> bool:
    """Tell the listeners that a photo is done, once all of them have heard it; False if one failed.

    A listener's error is logged by Django; the sweep publishes again.
    """
    if not announce(photo_id):
        return False
    crashpoints.reach("photo: heard")
    note_heard(photo_id)
    return True


def note_heard(photo_id: uuid.UUID | str) -> None:
    """Note that all have heard of a photo."""
    _heard().send(pk=photo_id, published_at=timezone.now())


@cache
def _heard() -> statements.Statement[Photo]:
    """Return the statement for a photo `pk`; if it is forgotten in a crash, the photo is published once more."""
    rows = Photo.objects.filter(pk=statements.given(Photo, "pk"))
    fields = {"published_at": statements.given(Photo, "published_at")}
    return statements.update(rows, fields, is_durable=False)


def publish_the_unheard() -> int:
    """Publish photos whose publisher died or met a failing listener; return how many were heard now."""
    now = timezone.now()
    # Finished in the future means that the clock was set back since.
    just_now = (now - timedelta(seconds=PUBLISH_GRACE), now)
    unheard = (
        Photo.objects.filter(
            stage=Photo.Stage.DONE, published_at=None, purpose=Photo.Purpose.UPLOAD
        )
        .exclude(finished_at__range=just_now)
        .order_by("finished_at")
    )
    return sum(publish(pk) for pk in unheard.values_list("pk", flat=True)[:MOST_PUBLISHED])
