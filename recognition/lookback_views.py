"""What a person's page shows of the search of stored photos, and what it offers."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from recognition import live, lookback, tasks
from recognition.models import LookBack, Person


@login_required
@permission_required("recognition.view_person", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def person_look_back(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Show how far the search for a person is; a POST starts one."""
    person = get_object_or_404(Person, pk=person_id)
    if request.method == "POST":
        return _start(request, person)
    # The version first: what changes while the rest is read is then asked for again.
    version = live.look_backs(request.user, [str(person.pk)])[str(person.pk)]
    context = {"person": person, "look": lookback.shown_of(person), "look_version": version}
    return render(request, "recognition/people/look_back.html", context)


@login_required
@permission_required("recognition.change_person", raise_exception=True)
@require_POST
def stop(request: HttpRequest, look_id: uuid.UUID) -> HttpResponse:
    """End a search; what it found stays."""
    look = get_object_or_404(LookBack, pk=look_id)
    if lookback.stop(look):
        messages.success(request, _("Stored photos are not looked through any further."))
    else:
        messages.info(request, _("It had come to its end already."))
    return redirect("recognition:person", look.person_id)


@permission_required("recognition.change_person", raise_exception=True)
def _start(request: HttpRequest, person: Person) -> HttpResponse:
    look = lookback.request(person, why=LookBack.Why.ASKED)
    if look:
        tasks.wake_look_back(look)
        messages.success(request, _("Stored photos are looked through."))
    else:
        text = _("There is no stored photo, or no face by which %(name)s is known.")
        messages.error(request, text % {"name": person.name})
    return redirect("recognition:person", person.pk)
