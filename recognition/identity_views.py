"""The pages that say who is who: two people who are one, and "this is …" about a face of a photo."""

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from recognition import access, browsing, people, people_browsing
from recognition.models import Face, KnownFace, Merge, Person, Photo
from recognition.people_forms import PersonForm

#: People offered at once, and faces of each shown to compare them by.
OFFERED, COMPARED = 12, 6
VIEW = "recognition.view_person"
CHANGE, ENROL = "recognition.change_person", "recognition.add_knownface"
ADD, FORGET = "recognition.add_person", "recognition.delete_knownface"


# Two who are one


@login_required
@permission_required([VIEW, CHANGE], raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def merge(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Find the other one, compare the two, and with a POST make them one."""
    person = get_object_or_404(Person, pk=person_id)
    if person.merged_into_id:
        return redirect("recognition:person", person_id)
    if request.method == "POST":
        return _merge(request, person)
    if other := _chosen(request.GET.get("with", "")):
        return render(request, "recognition/people/compare.html", _compared(person, other))
    search = request.GET.get("search", "").strip()
    if search:
        found = list(
            people_browsing.listed(request.user, search=search).exclude(pk=person_id)[:OFFERED]
        )
    else:
        found = people_browsing.similar_names(person, most=OFFERED)
    context = {
        "person": person,
        "search": search,
        "tiles": people_browsing.tiles(request.user, found),
    }
    return render(request, "recognition/people/merge.html", context)


def _merge(request: HttpRequest, person: Person) -> HttpResponse:
    other = _chosen(request.POST.get("with", ""))
    two = {str(one.pk): one for one in (person, other) if one}
    stays = two.pop(request.POST.get("stays", ""), None)
    if not stays or not two:
        messages.error(request, _("Choose who stays."))
        return redirect("recognition:person-merge", person.pk)
    (goes,) = two.values()
    try:
        done = people.merge(goes, into=stays, by=request.user)
    except people.CannotMerge as error:
        messages.error(request, str(error))
        return redirect("recognition:person", person.pk)
    return redirect(f"{reverse('recognition:person', args=[stays.pk])}?merged={done.pk}")


def _compared(person: Person, other: Person) -> dict[str, Any]:
    """Return both with their best faces; the one who is known by more faces is to stay unless it is changed."""
    sides: list[dict[str, Any]] = []
    for one in (person, other):
        faces = people_browsing.enrolled_faces(one)
        sides.append({"person": one, "count": len(faces), "faces": faces[:COMPARED]})
    stays = max(sides, key=lambda side: side["count"])["person"]
    return {"person": person, "other": other, "sides": sides, "stays": stays}


def _chosen(key: str) -> Person | None:
    """Return the person with this id, unless there is none or they were merged into another."""
    try:
        return people.known_people().filter(pk=uuid.UUID(key)).first()
    except ValueError:
        return None


@login_required
@permission_required(CHANGE, raise_exception=True)
@require_POST
def undo_merge(request: HttpRequest, merge_id: uuid.UUID) -> HttpResponse:
    """Make two people of one again."""
    done = get_object_or_404(Merge.objects.select_related("person", "into"), pk=merge_id)
    try:
        people.undo_merge(done)
    except people.CannotUnmerge as error:
        messages.error(request, str(error))
    else:
        text = _("%(name)s and %(other)s are two people again.")
        names = {"name": done.person.name, "other": done.into.name}
        messages.success(request, text % names)
    return redirect("recognition:person", done.into_id)


# "This is …"


@login_required
@permission_required([VIEW, ENROL], raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def this_is(request: HttpRequest, face_id: uuid.UUID) -> HttpResponse:
    """Offer the people of a name (`name`) for a face, and a new one; a POST says who it is.

    For htmx the answers are parts of the photo's page, else pages of their own.
    """
    face = _face(request, face_id)
    if request.method == "POST":
        return _name_face(request, face)
    name = " ".join(request.GET.get("name", "").split())
    found = list(people_browsing.listed(request.user, search=name)[:OFFERED]) if name else []
    context = {
        "face": face,
        "name": name,
        "tiles": people_browsing.tiles(request.user, found),
        "is_new": not any(one.name.casefold() == name.casefold() for one in found),
    }
    template = "choices.html" if request.htmx else "this_is.html"  # type: ignore[attr-defined]
    return render(request, f"recognition/people/{template}", context)


def _name_face(request: HttpRequest, face: Face) -> HttpResponse:
    """Make the face known as the chosen person, or as a new one of the name that was asked for."""
    person = _chosen(request.POST.get("person", ""))
    name = " ".join(request.POST.get("new", "").split())
    if person is None and not name:
        return _face_answer(request, face, error=_("Choose who it is."))
    if person is None and not request.user.has_perm(ADD):
        raise PermissionDenied
    if person is None and not (form := PersonForm({"name": name})).is_valid():
        return _face_answer(request, face, error=" ".join(map(str, form.errors["name"])))
    try:
        enrolled = (
            people.enrol_face(face, person=person) if person else people.enrol_new(face, name=name)
        )
    except people.CannotEnrol as error:
        return _face_answer(request, face, error=str(error))
    text = _("%(name)s is known by this face from now on.")
    return _face_answer(request, face, told=text % {"name": enrolled.known_face.person.name})


@login_required
@permission_required(FORGET, raise_exception=True)
@require_POST
def not_this(request: HttpRequest, face_id: uuid.UUID) -> HttpResponse:
    """Take back who a face of an upload was said to be."""
    face = _face(request, face_id)
    people.forget_faces(KnownFace.objects.filter(face=face))
    return _face_answer(request, face, told=_("Nobody is known by this face any more."))


def _face(request: HttpRequest, face_id: uuid.UUID) -> Face:
    """Return a face of an upload that the user may see."""
    visible = access.visible_faces(request.user).select_related("photo")
    return get_object_or_404(visible, pk=face_id, photo__purpose=Photo.Purpose.UPLOAD)


def _face_answer(
    request: HttpRequest, face: Face, *, told: str = "", error: str = ""
) -> HttpResponse:
    """Say what became of a face: beside the face for htmx, else on the photo's page."""
    if not request.htmx:  # type: ignore[attr-defined]
        if told:
            messages.success(request, told)
        else:
            messages.error(request, error)
        return redirect("recognition:photo", face.photo_id)
    photo = browsing.with_faces(Photo.objects.filter(pk=face.photo_id)).get()
    mark = next(mark for mark in browsing.view_of(photo).marks if mark.face == face)
    context = {"mark": mark, "told": told, "error": error}
    return render(request, "recognition/face_actions.html", context)
