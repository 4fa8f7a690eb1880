"""What recognition has to do, made known to the ledger; read when Django starts."""

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _lazy

from ledger import exhibits, kinds
from ledger.exhibits import Exhibit, Remedy
from recognition import batches, checks, orphans, publishing, searches, tasks
from recognition.models import Batch, LookBack, Photo, Search

__all__ = ["checks"]

#: What lets a user see everybody's photos.
VIEW_PHOTO = "recognition.view_photo"
#: What the work on each stage of a photo is called.
NAMES = {
    Photo.Stage.UPLOADED: _lazy("Finding faces"),
    Photo.Stage.DETECTED: _lazy("Recognising"),
}


def photo_address(pk: Any, user: Any) -> str:
    """Return the address of a photo's page, if the user may see everybody's."""
    return reverse("recognition:photo", args=[pk]) if user.has_perm(VIEW_PHOTO) else ""


def photos_address(stage: str, user: Any) -> str:
    """Return the address of the list of photos in a stage."""
    return reverse("recognition:photos") + (f"?stage={stage}" if stage else "")


def archive_address(pk: Any, user: Any) -> str:
    """Return the address of an archive's page, for those whom the admin lets in."""
    return reverse("admin:recognition_batch", args=[pk]) if user.is_staff else ""


def look_address(pk: Any, user: Any) -> str:
    """Return the address of the page of the person who is looked for, if the user may see people."""
    person = LookBack.objects.filter(pk=pk).values_list("person", flat=True).first()
    may_look = person is not None and user.has_perm("recognition.view_person")
    return reverse("recognition:person", args=[person]) if may_look else ""


for _stage, _task in tasks.NEXT_TASK.items():
    kinds.register(model=Photo, stage=_stage, task=_task, name=NAMES[_stage])
kinds.register(
    model=Search, stage=Search.Stage.ASKED, task=tasks.answer_search, name=_lazy("Searches")
)
kinds.register(
    model=Batch, stage=Batch.Stage.TAKING, task=tasks.take_photos, name=_lazy("Archives")
)
kinds.register(
    model=LookBack,
    stage=LookBack.Stage.WAITING,
    task=tasks.look_back,
    name=_lazy("Looking back"),
)
kinds.CHORES["photos published"] = publishing.publish_the_unheard
kinds.CHORES["searches forgotten"] = searches.forget_the_unheard
kinds.CHORES["archives forgotten"] = batches.forget_the_old
kinds.CHORES["files removed"] = orphans.remove_orphans
exhibits.register(
    Exhibit(
        model=Photo,
        title=_lazy("Photos"),
        done=Photo.Stage.DONE,
        bad=(Photo.Stage.FAILED,),
        rows=Photo.objects.all,
        row_name=lambda photo: photo.source or str(photo.pk)[:8],
        row_address=photo_address,
        list_address=photos_address,
        remedy=Remedy(permission="recognition.change_photo"),
    )
)
exhibits.register(
    Exhibit(
        model=Batch,
        title=_lazy("Archives"),
        done=Batch.Stage.DONE,
        bad=(Batch.Stage.FAILED,),
        rows=Batch.objects.all,
        row_name=str,
        row_address=archive_address,
        remedy=Remedy(permission="recognition.add_person"),
    )
)
exhibits.register(
    Exhibit(
        model=LookBack,
        title=_lazy("Looks back"),
        done=LookBack.Stage.DONE,
        bad=(LookBack.Stage.FAILED,),
        rows=LookBack.objects.all,
        row_name=lambda look: look.person.name,
        row_address=look_address,
        remedy=Remedy(permission="recognition.change_person"),
    )
)
exhibits.register(
    Exhibit(
        model=Search,
        title=_lazy("Searches"),
        done=Search.Stage.ANSWERED,
        # One that failed is told to who asked, and forgotten.
        bad=(),
        rows=Search.objects.none,
        row_name=str,
        is_kept=False,
    )
)
