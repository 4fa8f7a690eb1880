"""The pages of photos: upload them, browse them, look at one."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledger.intake import Refused
from recognition import access, browsing, keyset, photos, tasks
from recognition.engine import ImageError
from recognition.forms import PhotoFilter
from recognition.models import Photo

#: Uploads shown to their owner again below the form.
RECENT_UPLOADS = 24
#: Photos on one page of the list.
PAGE_SIZE = 48
#: What lets a user put somebody else's photo back to work.
RETRY = "recognition.change_photo"


@login_required
@permission_required("recognition.add_photo", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Show the form and the user's latest uploads; a POST, from a browser without scripts, stores the files."""
    if request.method == "POST":
        files = request.FILES.getlist("image")
        for file in files:
            _store(request, file)
        if not files:
            messages.error(request, _("Choose a photo first."))
        return redirect("recognition:upload")
    mine = browsing.uploads(Photo.objects.filter(owner=request.user.pk))
    recent = browsing.with_faces(mine.order_by("-created_at", "-id"))[:RECENT_UPLOADS]
    context = {
        "views": [browsing.view_of(photo) for photo in recent],
        "most_bytes": str(settings.MAX_UPLOAD_BYTES),
        "most_megabytes": settings.MAX_UPLOAD_BYTES // 1_000_000,
    }
    return render(request, "recognition/upload.html", context)


@login_required
@never_cache
@require_safe
def photo_list(request: HttpRequest) -> HttpResponse:
    """List the photos that the user may see, newest first."""
    form = PhotoFilter(request.GET)
    chosen = form.chosen()
    visible = browsing.filtered(browsing.uploads(access.visible_photos(request.user)), **chosen)
    page = keyset.newest_first(
        browsing.with_faces(visible), before=request.GET.get("before", ""), size=PAGE_SIZE
    )
    context = {
        "form": form,
        "is_filtered": bool(chosen),
        "views": [browsing.view_of(photo) for photo in page.rows],
        "older": page.older,
    }
    return render(request, "recognition/photos.html", context)


@login_required
@never_cache
@require_safe
def photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Show one photo with its faces; while it is in work the page takes itself again whenever that changed."""
    view = _view(request, photo_id)
    may_retry = access.may(request.user, RETRY, photo=view.photo)
    return render(request, "recognition/photo.html", {"view": view, "may_retry": may_retry})


@login_required
@never_cache
@require_safe
def photo_tile(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Return one photo's tile alone."""
    return render(request, "recognition/tile.html", {"view": _view(request, photo_id)})


@login_required
@require_POST
def retry_photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Put a failed photo back to work."""
    found: Photo = get_object_or_404(access.visible_photos(request.user), pk=photo_id)
    if not access.may(request.user, RETRY, photo=found):
        raise PermissionDenied
    if photos.retry_photo(found):
        tasks.wake_photo(found)
        messages.success(request, _("The photo is tried again."))
    else:
        messages.info(request, _("The photo has not failed; there is nothing to try again."))
    return redirect("recognition:photo", photo_id)


def _view(request: HttpRequest, photo_id: uuid.UUID) -> browsing.View:
    visible = access.visible_photos(request.user).select_related("owner", "person")
    return browsing.view_of(get_object_or_404(browsing.with_faces(visible), pk=photo_id))


def _store(request: HttpRequest, file: "UploadedFile[Any]") -> None:
    """Store one file and leave a message of what became of it."""
    try:
        stored = photos.store_photo(file, owner=request.user)
    except (ImageError, photos.TooLarge) as error:
        messages.error(request, f"{file.name}: {error}")
    except Refused as error:
        text = _("%(name)s: %(reason)s. Try again in %(seconds)d seconds.")
        facts = {"name": file.name, "reason": error, "seconds": error.retry_after}
        messages.error(request, text % facts)
    else:
        tasks.wake_photo(stored.photo)
        if stored.created:
            text = _("%(name)s is stored.")
        else:
            text = _("%(name)s was uploaded before; nothing is stored twice.")
        messages.success(request, text % {"name": file.name})
