"""The pages of photos: browse them, look at one, try it again, delete it."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from recognition import access, browsing, incoming, keyset, live, photos
from recognition.forms import PhotoFilter
from recognition.models import Photo

#: Photos on one page of the list.
PAGE_SIZE = 48
#: What lets a user put somebody else's photo back to work.
RETRY = "recognition.change_photo"
#: Parameters of a list's address that say which part of it is seen, not what it holds.
PLACES = ("before", "after", "at")


@login_required
@never_cache
@vary_on_headers("HX-Request")
@require_safe
def photo_list(request: HttpRequest) -> HttpResponse:
    """List the photos that the user may see, newest first; for htmx the tiles alone, with what leads on from them."""
    # Before the photos: what comes in between is told as new, instead of never.
    version = live.newest_upload(request.user)
    form = PhotoFilter(request.GET)
    listed = _listed(request, form)
    place = {name: request.GET.get(name, "") for name in PLACES}
    page = keyset.newest_first(browsing.with_faces(listed), **place, size=PAGE_SIZE)
    context = {
        "views": [browsing.view_of(photo) for photo in page.rows],
        "page": page,
        "query": _query(request),
    }
    if request.headers.get("HX-Request"):
        upwards = bool(place["after"] and not place["before"])
        return render(request, "recognition/tiles.html", context | {"part": True, "up": upwards})
    if any(place.values()) and not page.rows:
        return redirect(f"{reverse('recognition:photos')}{_query(request)}")
    if page.newer and not keyset.newest_first(listed, after=page.at, size=1).rows:
        context["page"] = replace(page, newer="")
    number = browsing.count(listed)
    context |= {
        "form": form,
        "choices": _removable(request, form),
        "version": version,
        "seen": version,
        "number": min(number, browsing.MOST_COUNTED),
        "is_more": number > browsing.MOST_COUNTED,
        "sources": browsing.sources(browsing.uploads(access.visible_photos(request.user))),
    }
    return render(request, "recognition/photos.html", context)


@login_required
@never_cache
@require_safe
def photo_news(request: HttpRequest) -> HttpResponse:
    """Say how many photos of a list came in since the version `since` of the topic `photos`."""
    version = live.newest_upload(request.user)
    listed = _listed(request, PhotoFilter(request.GET))
    since = request.GET.get("seen", "")
    try:
        listed = listed.filter(created_at__gt=datetime.fromisoformat(since)) if since else listed
    except (ValueError, TypeError):
        listed = listed.none()
    number = browsing.count(listed)
    context = {
        "version": version,
        "seen": since,
        "query": _query(request),
        "news": min(number, browsing.MOST_COUNTED),
        "is_more": number > browsing.MOST_COUNTED,
    }
    return render(request, "recognition/news.html", context)


@login_required
@never_cache
@require_safe
def photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Show one photo with its faces; while it is in work the page takes itself again whenever that changed."""
    view = _view(request, photo_id)
    found = view.photo
    context = {
        "view": view,
        "may_retry": access.may(request.user, RETRY, photo=found),
        "may_delete": access.may_delete(request.user, found),
        "advice": incoming.advice(found.error_code),
        "query": _query(request),
        "place": _place(request, found),
    }
    return render(request, "recognition/photo.html", context | _beside(request, found))


@login_required
@never_cache
@require_safe
def photo_tile(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Return one photo's tile alone."""
    context = {"view": _view(request, photo_id), "query": _query(request)}
    return render(request, "recognition/tile.html", context)


@login_required
@require_POST
def retry_photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Put a failed photo back to work."""
    found: Photo = get_object_or_404(access.visible_photos(request.user), pk=photo_id)
    if not access.may(request.user, RETRY, photo=found):
        raise PermissionDenied
    incoming.try_again(request, found)
    return redirect(f"{reverse('recognition:photo', args=[photo_id])}{_query(request)}")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete_photo(request: HttpRequest, photo_id: uuid.UUID) -> HttpResponse:
    """Ask whether a photo is to be deleted; a POST deletes it and leads back to its place in the list."""
    view = _view(request, photo_id)
    if not access.may_delete(request.user, view.photo):
        raise PermissionDenied
    if request.method == "POST":
        place = _place(request, view.photo)
        photos.delete_photos([view.photo])
        messages.success(request, _("The photo is deleted."))
        return redirect(place)
    return render(
        request, "recognition/photo_delete.html", {"view": view, "query": _query(request)}
    )


def _view(request: HttpRequest, photo_id: uuid.UUID) -> browsing.View:
    visible = access.visible_photos(request.user).select_related("owner", "person")
    return browsing.view_of(get_object_or_404(browsing.with_faces(visible), pk=photo_id))


def _listed(request: HttpRequest, form: PhotoFilter) -> "QuerySet[Photo]":
    visible = browsing.uploads(access.visible_photos(request.user))
    return browsing.filtered(visible, chosen=form.chosen())


def _filters(request: HttpRequest) -> QueryDict:
    """Return the parameters of the request that filter a list, without empty ones."""
    kept = QueryDict(mutable=True)
    for name in PhotoFilter.base_fields:
        if value := request.GET.get(name, ""):
            kept[name] = value
    return kept


def _query(request: HttpRequest) -> str:
    """Return the list's filters as they follow an address: empty, or from the question mark on."""
    encoded = _filters(request).urlencode()
    return f"?{encoded}" if encoded else ""


def _place(request: HttpRequest, photo: Photo) -> str:
    """Return the address of the list at which a photo is the first, with the filters that it was reached by."""
    kept = _filters(request)
    kept["at"] = keyset.cursor(photo)
    return f"{reverse('recognition:photos')}?{kept.urlencode()}"


def _removable(request: HttpRequest, form: PhotoFilter) -> list[dict[str, Any]]:
    """Return the filters in force in words, each with the query of the list without it."""
    found = []
    for choice in form.choices_in_words():
        kept = _filters(request)
        kept.pop(choice.field, None)
        encoded = kept.urlencode()
        found.append({"choice": choice, "without": f"?{encoded}" if encoded else ""})
    return found


def _beside(request: HttpRequest, photo: Photo) -> dict[str, Photo | None]:
    """Return the photos just newer and just older than an upload, of the list that it was reached by; two queries."""
    if photo.purpose != Photo.Purpose.UPLOAD:
        return {}
    listed = _listed(request, PhotoFilter(request.GET)).only("pk", "created_at")
    here = keyset.cursor(photo)
    newer = keyset.newest_first(listed, after=here, size=1).rows
    older = keyset.newest_first(listed, before=here, size=1).rows
    return {"newer": next(iter(newer), None), "older": next(iter(older), None)}
