"""The page of the faces that were told apart from people, each of which can be let in again."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from alerts import browsing, rejections
from alerts.models import Rejection

#: Faces on one page.
PAGE_SIZE = 30


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_safe
def rejection_list(request: HttpRequest) -> HttpResponse:
    """List what hides something now, newest first."""
    found = browsing.with_best_face(rejections.in_force())
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "alerts/rejections.html", {"page": page})


@login_required
@permission_required("alerts.change_alert", raise_exception=True)
@require_POST
def undo_rejection(request: HttpRequest, rejection_id: uuid.UUID) -> HttpResponse:
    """Let a face raise alerts again; a second time that is so already."""
    found = get_object_or_404(Rejection.objects.select_related("person"), pk=rejection_id)
    rejections.undo(found)
    text = _("What looks like that face may raise alerts for %(name)s again.")
    messages.success(request, text % {"name": found.person.name})
    return redirect("alerts:rejections")
