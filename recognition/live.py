"""What pages follow of photos and people, as short texts that change when what is shown changes."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, Max

from ledger.live import GONE
from recognition import access
from recognition.browsing import uploads
from recognition.models import Batch, BatchEntry, KnownFace, LookBack, Person, Photo


def photos(user: Any, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the version of each of these photos; one query."""
    wanted = list(keys)
    found = access.visible_photos(user).filter(pk__in=wanted).only("stage", "error_code")
    versions = {str(photo.pk): photo.version for photo in found}
    return {key: versions.get(key, GONE) for key in wanted}


def newest_upload(user: Any) -> str:
    """Return the version of the list of uploads: when the newest one that the user may see came in."""
    newest = uploads(access.visible_photos(user)).aggregate(newest=Max("created_at"))["newest"]
    return newest.isoformat() if newest else ""


def people(user: Any, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the version of what each of these people is known by, with the photos on their way to it; three queries.

    The photos of those who were merged into them are on their way to them.
    """
    wanted = list(keys)
    if not user.has_perm("recognition.view_person"):
        return dict.fromkeys(wanted, GONE)
    states: dict[str, list[str]] = {key: [] for key in wanted}
    ids = [uuid.UUID(key) for key in wanted]
    merged = Person.objects.filter(merged_into__in=ids).order_by()
    stands_for = dict(merged.values_list("pk", "merged_into"))
    enrolments = Photo.objects.filter(person__in=[*ids, *stands_for]).order_by("pk")
    for person, photo, stage in enrolments.values_list("person", "pk", "stage"):
        for one in {person, stands_for.get(person)}:
            if str(one) in states:
                states[str(one)].append(f"{photo}:{stage}")
    known = KnownFace.objects.filter(person__in=ids).order_by("pk")
    for person, face, revision in known.values_list("person", "pk", "revision"):
        states[str(person)].append(f"{face}:{revision}")
    return {key: _digest(parts) for key, parts in states.items()}


def batches(user: Any, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the version of how far each of these archives is, and its photos are; two queries."""
    wanted = list(keys)
    if not user.has_perms(("recognition.add_person", "recognition.add_knownface")):
        return dict.fromkeys(wanted, GONE)
    stages = Batch.objects.filter(pk__in=wanted).values_list("pk", "stage", "error_code")
    states = {str(pk): [f"{stage}:{code}"] for pk, stage, code in stages}
    counts = (
        BatchEntry.objects.filter(batch__in=list(states))
        .values_list("batch", "outcome", "photo__stage")
        .annotate(count=Count("pk"))
        .order_by("batch", "outcome", "photo__stage")
    )
    for batch, outcome, stage, count in counts:
        states[str(batch)].append(f"{outcome}:{stage}:{count}")
    return {key: _digest(states[key]) if key in states else GONE for key in wanted}


def look_backs(user: Any, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the version of how far the search of stored photos for each of these people is; one query."""
    wanted = list(keys)
    if not user.has_perm("recognition.view_person"):
        return dict.fromkeys(wanted, GONE)
    states: dict[str, list[str]] = {key: [] for key in wanted}
    ids = [uuid.UUID(key) for key in wanted]
    for look in LookBack.objects.filter(person__in=ids).order_by("pk"):
        states[str(look.person_id)].append(f"{look.pk}:{look.stage}:{look.percent}:{look.found}")
    return {key: _digest(parts) for key, parts in states.items()}


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
