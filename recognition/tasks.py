"""The wake-ups of recognition: losing one or running it twice changes nothing."""

from huey import crontab

from ledger import windows
from ledger.queues import BULK, DETECT, PERIODIC, RECOGNISE, SEARCH, detect, recognise, wake
from recognition import audits, batches, loaded, lookback, photos, searches
from recognition.models import Batch, LookBack, Photo, Search


@detect.task(priority=DETECT)
def detect_faces(photo_id: str) -> None:
    """Wake-up for one uploaded photo."""
    photo = photos.detect_faces(photo_id, engine=loaded.engine())
    if photo:
        wake(recognise_faces, photo.pk, priority=photo.priority)


@recognise.task(priority=RECOGNISE)
def recognise_faces(photo_id: str) -> None:
    """Wake-up for one photo whose faces are found."""
    photos.recognise_faces(photo_id, engine=loaded.engine(), known=loaded.known())


@recognise.task(priority=SEARCH)
def answer_search(search_id: str) -> None:
    """Wake-up for one question that somebody waits for."""
    searches.answer_search(search_id, engine=loaded.engine(), known=loaded.known())


#: Seconds within which one consumer tries to audit the gallery.
AUDIT_SECONDS = 600
#: The task that each open stage of a photo waits for.
NEXT_TASK = {Photo.Stage.UPLOADED: detect_faces, Photo.Stage.DETECTED: recognise_faces}


def wake_photo(photo: Photo) -> None:
    """Wake a worker for a photo in whatever open stage it is; a final one needs none."""
    if task := NEXT_TASK.get(Photo.Stage(photo.stage)):
        wake(task, photo.pk, priority=photo.priority)


def wake_search(search: Search) -> None:
    """Wake a worker for a search, before everything else."""
    wake(answer_search, search.pk)


@detect.task(priority=BULK)
def take_photos(batch_id: str) -> None:
    """Wake-up for one archive that is to be taken in: for a slice of it, and then for the next one."""
    if batches.take_photos(batch_id, then=wake_photo):
        wake(take_photos, batch_id)


@recognise.task(priority=BULK)
def look_back(look_id: str) -> None:
    """Wake-up for one look back: for a slice of it, and then for the next one."""
    if lookback.look_back(look_id, engine=loaded.engine(), known=loaded.known()):
        wake(look_back, look_id)


@recognise.periodic_task(crontab(hour="3", minute="*/10"), expires=55, priority=PERIODIC)
def audit_gallery() -> None:
    """Audit the gallery once a night, however many consumers run."""
    if windows.enter("audit of the gallery", seconds=AUDIT_SECONDS):
        audits.audit_if_due(loaded.known(), engine=loaded.engine())


def wake_look_back(look: LookBack) -> None:
    """Wake a worker for a search of stored photos."""
    wake(look_back, look.pk)


def wake_batch(batch: Batch) -> None:
    """Wake a worker for an archive."""
    wake(take_photos, batch.pk)
