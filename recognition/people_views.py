"""The pages of people: find one, add one, and everything by which one is known and when they were seen."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from recognition import access, incoming, live, lookback, people, people_browsing, photos
from recognition.admin import removal
from recognition.models import KnownFace, Merge, Person, Photo
from recognition.people_forms import PeopleFilter, PersonForm

#: People on one page of the grid, and sightings on one of a person's.
PAGE_SIZE, SIGHTINGS = 60, 24
#: What lets a user see people, enrol, forget, put an enrolment back to work, and remove one.
VIEW, ENROL = "recognition.view_person", "recognition.add_knownface"
FORGET = "recognition.delete_knownface"
RETRY, REMOVE = "recognition.change_photo", "recognition.delete_photo"


@login_required
@permission_required(VIEW, raise_exception=True)
@never_cache
@require_safe
def people_list(request: HttpRequest) -> HttpResponse:
    """List the people who are known or are to be, by name unless asked otherwise."""
    form = PeopleFilter(request.GET)
    chosen = form.chosen()
    found = people_browsing.listed(request.user, **chosen)
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "is_filtered": bool(chosen.keys() - {"order"}),
        "page": page,
        "tiles": people_browsing.tiles(request.user, list(page)),
    }
    return render(request, "recognition/people/people.html", context)


@login_required
@permission_required([VIEW, "recognition.add_person"], raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def add_person(request: HttpRequest) -> HttpResponse:
    """Ask who somebody is, and go on to their page, where photos are dropped; namesakes are shown before."""
    form = PersonForm(request.POST or None)
    namesakes: list[Person] = []
    if request.method == "POST" and form.is_valid():
        if "namesake" not in request.POST:
            same = people.known_people().filter(name__iexact=form.cleaned_data["name"])
            namesakes = list(same.order_by("created_at")[:PAGE_SIZE])
        if not namesakes:
            person = Person.objects.create(**form.cleaned_data)
            text = _("%(name)s is added. Drop photos of them below.")
            messages.success(request, text % {"name": person.name})
            return redirect("recognition:person", person.pk)
    context = {"form": form, "namesakes": people_browsing.tiles(request.user, namesakes)}
    return render(request, "recognition/people/add.html", context)


@login_required
@permission_required(VIEW, raise_exception=True)
@never_cache
@require_safe
def person(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Show one person: by what they are known, what is on its way, when they were seen; for htmx the first alone."""
    shown = _person(person_id)
    if shown.merged_into_id:
        done = Merge.objects.filter(person=shown, undone_at=None).first()
        return render(request, "recognition/people/merged.html", {"person": shown, "done": done})
    known_by = _known_by(request.user, shown)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "recognition/people/known_by.html", known_by)
    seen = people_browsing.sightings_of(request.user, shown)
    page = people_browsing.newest_sightings(
        seen, before=request.GET.get("before", ""), size=SIGHTINGS
    )
    context = known_by | {
        "sightings": page.rows,
        "older": page.older,
        "timeline": people_browsing.timeline(seen),
        "merges": people_browsing.undoable_merges(shown),
        "just_merged": request.GET.get("merged", ""),
        "look": lookback.shown_of(shown),
        "look_version": live.look_backs(request.user, [str(shown.pk)])[str(shown.pk)],
        "most_bytes": str(settings.MAX_UPLOAD_BYTES),
        "most_megabytes": settings.MAX_UPLOAD_BYTES // 1_000_000,
    }
    return render(request, "recognition/people/person.html", context)


def _known_by(user: Any, shown: Person) -> dict[str, Any]:
    """Return the faces of a person, the best first, and the photos that are on their way to be some."""
    # The version first: what changes while the rest is read is then asked for again.
    version = live.people(user, [str(shown.pk)])[str(shown.pk)]
    faces = people_browsing.enrolled_faces(shown)
    enrolments = people_browsing.enrolments(shown)
    return {
        "person": shown,
        "version": version,
        "faces": faces,
        "best": faces[0] if faces else None,
        "enough_faces": people_browsing.ENOUGH_FACES,
        "enrolments": enrolments,
        "in_work": sum(photo.stage in Photo.OPEN_STAGES for photo in enrolments),
        "may_retry_all": user.has_perm(RETRY),
        "may_remove_all": user.has_perm(REMOVE),
    }


@login_required
@permission_required("recognition.change_person", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_person(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Change the name and the notes."""
    shown = _person(person_id)
    if shown.merged_into_id:
        return redirect("recognition:person", person_id)
    known = {"name": shown.name, "notes": shown.notes}
    form = PersonForm(request.POST or None, initial=known)
    if request.method == "POST" and form.is_valid():
        Person.objects.filter(pk=person_id).update(**form.cleaned_data)
        messages.success(request, _("The changes are saved."))
        return redirect("recognition:person", person_id)
    return render(request, "recognition/people/edit.html", {"person": shown, "form": form})


@login_required
@permission_required("recognition.delete_person", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delete_person(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Ask whether a person is to go, with all that goes along; a POST deletes them."""
    shown = _person(person_id)
    if shown.merged_into_id:
        return redirect("recognition:person", person_id)
    gone = list(Person.objects.filter(Q(pk=person_id) | Q(merged_into=person_id)))
    if request.method == "POST":
        people.delete_people([shown])
        removal.forget_names(gone)
        messages.success(request, _("%(name)s is deleted.") % {"name": shown.name})
        return redirect("recognition:people")
    _lines, counts, _missing, _protected = removal.describe(Person, gone)
    uploads = KnownFace.objects.filter(person=shown, face__photo__purpose=Photo.Purpose.UPLOAD)
    context = {"person": shown, "counts": counts, "uploads": uploads.count()}
    return render(request, "recognition/people/delete.html", context)


@login_required
@permission_required(ENROL, raise_exception=True)
@require_POST
def enrol(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Store photos to know a person by, for a browser without scripts."""
    shown = _person(person_id)
    files = request.FILES.getlist("image")
    if shown.merged_into_id:
        messages.error(
            request, _("The person was merged into another meanwhile; add photos there.")
        )
    elif files:
        incoming.tell(request, incoming.take(files, owner=request.user, person=shown))
    else:
        messages.error(request, _("Choose a photo first."))
    return redirect("recognition:person", person_id)


@login_required
@permission_required(VIEW, raise_exception=True)
@require_POST
def retry_enrolment(
    request: HttpRequest, person_id: uuid.UUID, photo_id: uuid.UUID
) -> HttpResponse:
    """Put a refused or failed photo of a person back to work."""
    photo = _enrolment(request, person_id, photo_id, permission=RETRY)
    incoming.try_again(request, photo)
    return redirect("recognition:person", person_id)


@login_required
@permission_required(VIEW, raise_exception=True)
@require_POST
def remove_enrolment(
    request: HttpRequest, person_id: uuid.UUID, photo_id: uuid.UUID
) -> HttpResponse:
    """Delete a photo of a person that is in work or was refused."""
    photos.delete_photos([_enrolment(request, person_id, photo_id, permission=REMOVE)])
    messages.success(request, _("The photo is deleted."))
    return redirect("recognition:person", person_id)


@login_required
@permission_required(FORGET, raise_exception=True)
@require_POST
def forget_face(request: HttpRequest, person_id: uuid.UUID, face_id: uuid.UUID) -> HttpResponse:
    """Know a person no longer by one of their faces."""
    known = get_object_or_404(
        KnownFace.objects.select_related("face__photo"), person=person_id, face=face_id
    )
    people.forget_faces([known])
    if known.face.photo.purpose == Photo.Purpose.UPLOAD:
        messages.success(request, _("The face is forgotten; its photo stays among the photos."))
    else:
        messages.success(request, _("The face is forgotten and its photo deleted."))
    return redirect("recognition:person", person_id)


def _person(person_id: uuid.UUID) -> Person:
    return get_object_or_404(Person.objects.select_related("merged_into"), pk=person_id)


def _enrolment(
    request: HttpRequest, person_id: uuid.UUID, photo_id: uuid.UUID, *, permission: str
) -> Photo:
    """Return a photo in work or refused by which a person, or one merged into them, is to be known."""
    whose = Q(person=person_id) | Q(person__merged_into=person_id)
    photo = get_object_or_404(
        Photo.objects.filter(whose, purpose=Photo.Purpose.ENROLMENT).exclude(
            stage=Photo.Stage.DONE
        ),
        pk=photo_id,
    )
    if not access.may(request.user, permission, photo=photo):
        raise PermissionDenied
    return photo
