"""The pages of photos: upload them, browse them, look at one."""

import uuid
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ledger import pauses
from recognition import access, browsing, incoming, keyset, live, photos, tasks
from recognition.forms import PhotoFilter
from recognition.models import Photo

#: Uploads shown to their owner again below the form.
RECENT_UPLOADS = 24
#: Photos on one page of the list.
PAGE_SIZE = 48
#: Characters of a source's name.
LONGEST_SOURCE = 100
#: What, while it is paused, keeps an upload from being taken in or looked at.
PAUSES = (
    pauses.INTAKE,
    *(pauses.subject_of(Photo, stage) for stage in Photo.OPEN_STAGES),
)
#: What lets a user put somebody else's photo back to work, and delete it.
RETRY, DELETE = "recognition.change_photo", "recognition.delete_photo"


@login_required
@permission_required("recognition.add_photo", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Show the form and the user's latest uploads; a POST, from a browser without scripts, stores the files."""
    if request.method == "POST":
        files = request.FILES.getlist("image")
        source = request.POST.get("source", "")[:LONGEST_SOURCE]
        incoming.tell(request, incoming.take(files, owner=request.user, source=source))
        if not files:
            messages.error(request, _("Choose a photo first."))
        return redirect("recognition:upload")
    mine = browsing.uploads(Photo.objects.filter(owner=request.user.pk))
    recent = browsing.with_faces(mine.order_by("-created_at", "-id"))[:RECENT_UPLOADS]
    context = {
        "views": [browsing.view_of(photo) for photo in recent],
        "most_bytes": str(settings.MAX_UPLOAD_BYTES),
        "most_megabytes": settings.MAX_UPLOAD_BYTES // 1_000_000,
        "longest_source": LONGEST_SOURCE,
        "paused": [one for one in pauses.paused() if one.subject in PAUSES],
    }
    return render(request, "recognition/upload.html", context)


@login_required
@never_cache
@require_safe
def photo_list(request: HttpRequest) -> HttpResponse:
    """List the photos that the user may see, newest first; a page that goes on is answered with the tiles alone."""
    form, found = _filtered(request)
    before, after = request.GET.get("before", ""), request.GET.get("after", "")
    page = keyset.newest_first(
        browsing.with_faces(found), before=before, after=after, size=PAGE_SIZE
    )
    context: dict[str, Any] = {
        "views": [browsing.view_of(photo) for photo in page.rows],
        "older": page.older,
        "newer": page.newer,
        "place": page.place,
        "query": _query(request.GET),
    }
    if getattr(request, "htmx", False):
        return render(request, "recognition/tiles.html", context)
    visible = browsing.uploads(access.visible_photos(request.user))
    context |= {
        "form": form,
        "choices": [
            (choice, _query(request.GET, without=choice.field))
            for choice in form.choices_in_words()
        ],
        "count": browsing.count(found),
        "most_counted": browsing.MOST_COUNTED,
        "sources": browsing.sources(visible),
        "top": keyset.cursor(page.rows[0]) if page.rows and not page.newer else "",
        "photos_version": live.newest_upload(request.user),
    }
    return render(request, "recognition/photos.html", context)


@login_required
@never_cache
@require_safe
def new_photos(request: HttpRequest) -> HttpResponse:
    """Say how many photos came in above the list that somebody looks at."""
    _form, found = _filtered(request)
    top = request.GET.get("top", "")
    context = {
        "top": top,
        "new": browsing.count(keyset.newer_than(found, top)),
        "most_counted": browsing.MOST_COUNTED,
        "query": _query(request.GET),
        "photos_version": live.newest_upload(request.user),
    }
    return render(request, "recognition/new_photos.html", context)


@login_required
@never_cache
@require_safe
def photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Show one photo with its faces; while it is in work the page takes itself again whenever that changed."""
    view = _view(request, photo_id)
    _form, found = _filtered(request)
    here = keyset.cursor(view.photo)
    newer = keyset.newest_first(found.only("created_at"), after=here, size=1).rows
    older = keyset.newest_first(found.only("created_at"), before=here, size=1).rows
    query = _query(request.GET)
    place = urlencode({"before": keyset.cursor(newer[0])}) if newer else ""
    context = {
        "view": view,
        "newer": newer[0] if newer else None,
        "older": older[0] if older else None,
        "query": query,
        "place": "&".join(filter(None, [query, place])),
        "may_retry": access.may(request.user, RETRY, photo=view.photo),
        "may_delete": access.may(request.user, DELETE, photo=view.photo),
    }
    return render(request, "recognition/photo.html", context)


@login_required
@never_cache
@require_safe
def photo_tile(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Return one photo's tile alone."""
    context = {
        "view": _view(request, photo_id),
        "query": _query(request.GET),
        "place": request.GET.get("place"),
    }
    return render(request, "recognition/tile.html", context)


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


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete_photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Ask whether a photo is to go, with all that came of it; a POST removes it."""
    view = _view(request, photo_id)
    if not access.may(request.user, DELETE, photo=view.photo):
        raise PermissionDenied
    if request.method != "POST":
        return render(request, "recognition/delete_photo.html", {"view": view})
    photos.delete_photos([view.photo])
    messages.success(request, _("The photo is deleted."))
    return redirect("recognition:photos")


def _view(request: HttpRequest, photo_id: uuid.UUID) -> browsing.View:
    visible = access.visible_photos(request.user).select_related("owner", "person")
    return browsing.view_of(get_object_or_404(browsing.with_faces(visible), pk=photo_id))


def _filtered(request: HttpRequest) -> "tuple[PhotoFilter, QuerySet[Photo]]":
    """Return the filter of a request, and the uploads that the user may see and that fit it."""
    form = PhotoFilter(request.GET)
    visible = browsing.uploads(access.visible_photos(request.user))
    return form, browsing.filtered(visible, chosen=form.chosen())


def _query(asked: QueryDict, *, without: str = "") -> str:
    """Return the filters of a request as a query string, but one of them."""
    kept: list[tuple[str, Any]] = [
        (name, asked[name])
        for name in PhotoFilter.base_fields
        if asked.get(name) and name != without
    ]
    return urlencode(kept)
