"""Many people from one archive: stored as it is, looked through, confirmed, then taken in by the workers in slices.

Nothing is unpacked before somebody has confirmed what will be done. The archive stays until all of it is taken in, and
each file that was taken in is noted before the next one, so that a worker that dies loses nothing and doubles nothing.
"""

import io
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from zipfile import ZipFile

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from ledger import crashpoints, intake, leases
from ledger.intake import Refused
from recognition import admission, archives, people, photos
from recognition import engine as engines
from recognition.models import Batch, BatchEntry, Person, Photo

#: Seconds after which a worker gives an archive back, so that others get their turn, and at most this share of a lease.
SLICE_SECONDS, SLICE_SHARE = 10.0, 0.25
#: Files that one slice takes in at the most.
SLICE_FILES = 500
#: How long an archive waits for somebody to confirm it, or to try it again; and how long the report of one stays.
ARCHIVE_KEPT, REPORT_KEPT = timedelta(days=1), timedelta(days=7)
#: Stages of which only the report is left.
REPORTS = (Batch.Stage.DONE, Batch.Stage.STOPPED)


def store(file: "File[Any]", *, owner: Any) -> Batch:
    """Keep an archive, durably, with what its directory says; nobody is enrolled before `confirm`.

    Raises `archives.BadArchive`, `photos.TooLarge` and `intake.Refused`; then nothing is left behind. Call it outside a
    transaction.
    """
    admission.check_open()
    if file.size > settings.MAX_ARCHIVE_BYTES:
        raise photos.TooLarge(
            f"The archive has {file.size} bytes, {settings.MAX_ARCHIVE_BYTES} are accepted."
        )
    file.seek(0)
    entries = archives.read_directory(
        cast("Any", file),
        bytes_each=settings.MAX_UPLOAD_BYTES,
        bytes_in_all=settings.MAX_ARCHIVE_BYTES,
    )
    file.seek(0)
    batch = Batch(
        owner=owner, name=(file.name or "")[-200:], bytes=file.size, stage=Batch.Stage.PREVIEW
    )
    with intake.storing():
        batch.archive.name = default_storage.save(f"batches/{batch.id}.zip", file)
    crashpoints.reach("archive: file written")
    rows = [
        BatchEntry(
            batch=batch,
            index=entry.index,
            path=entry.path,
            name=entry.name,
            bytes=entry.bytes,
            outcome=entry.problem,
        )
        for entry in entries
    ]
    try:
        with transaction.atomic():
            batch.save(force_insert=True)
            BatchEntry.objects.bulk_create(rows, batch_size=500)
    except Exception:
        _delete_archive(batch)
        raise
    return batch


def confirm(batch: Batch) -> bool:
    """Let the workers enrol what the archive has; False if it waits for that no longer. The caller wakes a worker."""
    now = timezone.now()
    rows = Batch.objects.filter(pk=batch.pk, stage=Batch.Stage.PREVIEW)
    return bool(rows.update(stage=Batch.Stage.TAKING, confirmed_at=now, next_try_at=now))


def stop(batch: Batch) -> bool:
    """Take in no more of an archive and remove it; False if it was not in work. What was enrolled stays."""
    stopped = Batch.objects.filter(pk=batch.pk, stage__in=[Batch.Stage.TAKING, Batch.Stage.FAILED])
    changed = stopped.update(
        stage=Batch.Stage.STOPPED,
        archive="",
        lease_token=None,
        lease_until=None,
        finished_at=timezone.now(),
    )
    if changed:
        _delete_archive(batch)
    return bool(changed)


def discard(batch: Batch) -> bool:
    """Remove an archive that nobody has confirmed; False if somebody has."""
    gone, _ = Batch.objects.filter(pk=batch.pk, stage=Batch.Stage.PREVIEW).delete()
    if gone:
        _delete_archive(batch)
    return bool(gone)


def retry(batch: Batch) -> bool:
    """Put a `failed` archive back to work where it was left; False if it is not failed. The caller wakes a worker."""
    return leases.retry(Batch, batch.pk)


def forget_the_old() -> int:
    """Remove archives that nobody confirmed or tried again within a day, and reports after a week; return how many."""
    now = timezone.now()
    idle = Batch.objects.filter(stage=Batch.Stage.PREVIEW, created_at__lt=now - ARCHIVE_KEPT)
    failed = Batch.objects.filter(stage=Batch.Stage.FAILED, finished_at__lt=now - ARCHIVE_KEPT)
    told = Batch.objects.filter(stage__in=REPORTS, finished_at__lt=now - REPORT_KEPT)
    forgotten = 0
    for rows in (idle, failed, told):
        for batch in rows:
            # Somebody may have confirmed it or tried it again since it was read.
            gone, _ = rows.filter(pk=batch.pk).delete()
            if gone:
                _delete_archive(batch)
                forgotten += 1
    return forgotten


def take_photos(batch_id: uuid.UUID | str, *, then: Callable[[Photo], None]) -> bool:
    """Enrol a slice of a confirmed archive, `then` for each new photo; return whether there is more to take at once.

    A second call at the same time does nothing. While no more is taken in the archive waits, and counts no attempt.
    """
    lease = leases.claim(Batch, batch_id, stage=Batch.Stage.TAKING)
    if lease is None:
        return False
    more = False
    with leases.held(lease):
        try:
            _take_slice(lease, then=then)
        except Refused as refused:
            leases.put_off(lease, code=refused.code, detail=f"{refused}.")
        else:
            more = _give_on(lease)
    return more


def _take_slice(lease: leases.Lease[Batch], *, then: Callable[[Photo], None]) -> None:
    """Take in the next files, until the slice's time is over. Raises leases.Unfit, and intake.Refused."""
    ends_at = time.monotonic() + min(SLICE_SECONDS, SLICE_SHARE * settings.LEASE_SECONDS)
    waiting = lease.row.entries.filter(outcome="").select_related("person__merged_into")
    try:
        with (
            default_storage.open(str(lease.row.archive.name)) as file,
            archives.opened(cast("Any", file)) as archive,
        ):
            for entry in waiting.order_by("index")[:SLICE_FILES]:
                _take_entry(lease, entry, archive=archive, then=then)
                if time.monotonic() > ends_at:
                    return
    except FileNotFoundError as error:
        detail = "The archive's file is gone; send it again."
        raise leases.Unfit(detail, code="file_missing") from error
    except archives.BadArchive as error:
        raise leases.Unfit(str(error), code=error.code) from error


def _take_entry(
    lease: leases.Lease[Batch],
    entry: BatchEntry,
    *,
    archive: ZipFile,
    then: Callable[[Photo], None],
) -> None:
    """Make one file an enrolment, and note what became of it. Raises intake.Refused and leases.LeaseLost."""
    try:
        data = archives.read_file(archive, entry.index, bytes_each=settings.MAX_UPLOAD_BYTES)
        # Before anybody is added: a folder without a photo names nobody.
        engines.inspect(io.BytesIO(data), max_pixels=settings.MAX_PIXELS)
        stored = photos.store_photo(
            ContentFile(data, name=entry.path),
            owner=lease.row.owner,
            person=_person(lease, entry),
            bulk=True,
        )
        crashpoints.reach("archive: photo stored, not noted")
    except archives.Unreadable as error:
        _note(lease, entry, outcome=error.problem)
    except engines.ImageError as error:
        _note(lease, entry, outcome=error.code, detail=str(error))
    else:
        _note(lease, entry, outcome=_outcome(lease.row, stored), photo=stored.photo)
        then(stored.photo)


def _outcome(batch: Batch, stored: photos.Stored) -> str:
    """Return `stored` for a photo of this archive, also when a worker died before it could note that."""
    photo = stored.photo
    unnoted = (
        batch.confirmed_at is not None
        and photo.created_at >= batch.confirmed_at
        and photo.owner_id == batch.owner_id
        and not batch.entries.filter(photo=photo).exists()
    )
    return BatchEntry.STORED if stored.created or unnoted else BatchEntry.KNOWN


def _person(lease: leases.Lease[Batch], entry: BatchEntry) -> Person:
    """Return the person whom a file's folder names: the oldest known one of that name, or a new one."""
    if entry.person:
        return entry.person.merged_into or entry.person
    same = lease.row.entries.filter(name=entry.name)
    with transaction.atomic():
        _hold(lease)
        # Another file of the folder may have come before this one.
        chosen = same.exclude(person=None).select_related("person__merged_into").first()
        if chosen and chosen.person:
            return chosen.person.merged_into or chosen.person
        known = people.known_people().filter(name=entry.name).order_by("created_at").first()
        person = known or Person.objects.create(name=entry.name)
        same.update(person=person)
    return person


def _note(
    lease: leases.Lease[Batch],
    entry: BatchEntry,
    *,
    outcome: str,
    detail: str = "",
    photo: Photo | None = None,
) -> None:
    with transaction.atomic():
        _hold(lease)
        BatchEntry.objects.filter(pk=entry.pk).update(outcome=outcome, detail=detail, photo=photo)


def _hold(lease: leases.Lease[Batch]) -> None:
    """Raise LeaseLost unless the archive is still ours; within a transaction it stays so."""
    mine = Batch.objects.filter(pk=lease.row.pk, lease_token=lease.token)
    if not mine.update(error_code="", error_detail=""):
        raise leases.LeaseLost(f"Batch {lease.row.pk} is no longer ours")


def _give_on(lease: leases.Lease[Batch]) -> bool:
    """Give the archive back for the next slice, or end it; return whether there is a next one."""
    if lease.row.entries.filter(outcome="").exists():
        leases.finish(lease, stage=Batch.Stage.TAKING)
        return True
    leases.finish(lease, stage=Batch.Stage.DONE, archive="")
    crashpoints.reach("archive: done, not removed")
    _delete_archive(lease.row)
    return False


def _delete_archive(batch: Batch) -> None:
    """Remove the file of an archive whose row names it no longer; the sweep does where this dies before, or cannot."""
    if batch.archive.name:
        with suppress(leases.StorageUnavailable):
            default_storage.delete(str(batch.archive.name))
