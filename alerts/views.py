"""The pages of alerts: what waits for review, and the review itself."""

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alerts import browsing, review
from alerts.forms import LONGEST_REASON, AlertFilter, Verdict
from alerts.models import Alert
from recognition import browsing as photo_browsing
from recognition import keyset
from recognition.models import Photo

#: Alerts on one page of the list.
PAGE_SIZE = 30


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_safe
def alert_list(request: HttpRequest) -> HttpResponse:
    """List the alerts, newest first."""
    form = AlertFilter(request.GET)
    chosen = form.chosen()
    found = browsing.with_evidence(Alert.objects.filter(**chosen))
    page = keyset.newest_first(found, before=request.GET.get("before", ""), size=PAGE_SIZE)
    context = {
        "form": form,
        "is_filtered": bool(chosen),
        "alerts": page.rows,
        "older": page.older,
    }
    return render(request, "alerts/alerts.html", context)


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def alert(request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
    """Show one alert with its evidence; a POST confirms or dismisses it as the reviewer saw it.

    A form that shows an older version is refused with 409 and the alert as it is now.
    """
    if request.method != "POST":
        return _show(request, alert_id)
    if not request.user.has_perm("alerts.change_alert"):
        raise PermissionDenied
    found = get_object_or_404(Alert, pk=alert_id)
    verdict = Verdict(request.POST)
    if not verdict.is_valid():
        messages.error(
            request, _("Choose to confirm or to dismiss; a reason may be long, not endless.")
        )
        return _show(request, alert_id, reason=request.POST.get("reason", ""), status=400)
    try:
        review.decide(found, by=request.user, **verdict.cleaned_data)
    except review.StaleAlert:
        messages.error(
            request,
            _(
                "Nothing was stored: somebody else changed this alert meanwhile. This is how it is now."
            ),
        )
        return _show(request, alert_id, reason=verdict.cleaned_data["reason"], status=409)
    messages.success(
        request,
        _("The alert is confirmed.")
        if found.status == Alert.Status.CONFIRMED
        else _("The alert is dismissed."),
    )
    return redirect("alerts:alert", alert_id)


def _show(
    request: HttpRequest, alert_id: uuid.UUID, *, reason: str = "", status: int = 200
) -> HttpResponse:
    """Return the page of one alert; `reason` is what a refused form held."""
    found: Alert = get_object_or_404(browsing.with_evidence(Alert.objects.all()), pk=alert_id)
    photo = photo_browsing.with_faces(Photo.objects.filter(pk=found.photo_id)).get()
    view = photo_browsing.view_of(photo)
    context = {
        "alert": found,
        "view": view,
        "marks": [mark for mark in view.marks if mark.face.pk == found.face_id],
        "may_review": request.user.has_perm("alerts.change_alert"),
        "reason": reason,
        "longest_reason": LONGEST_REASON,
    }
    return render(request, "alerts/alert.html", context, status=status)
