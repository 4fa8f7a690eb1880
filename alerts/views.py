"""The pages of alerts: the review, one possible sighting a screen, and the list of all."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from alerts import browsing, explaining, lineup, live, review, tasks, waiting
from alerts.forms import LONGEST_REASON, AlertFilter, Verdict
from alerts.models import Alert
from recognition import keyset

#: Alerts on one page of the list.
PAGE_SIZE = 30

#: Where a session keeps the id of the open alert that its user looked at last.
PLACE = "review_at"

#: What is sent of the page of one alert, by `part` of the query; the page in full otherwise.
PARTS = {
    "card": "alerts/card.html",
    "panel": "alerts/panel.html",
    "position": "alerts/position.html",
}


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_safe
def alert_list(request: HttpRequest) -> HttpResponse:
    """List the alerts, newest first."""
    form = AlertFilter(request.GET)
    chosen = form.chosen()
    found = browsing.with_evidence(Alert.objects.filter(chosen, watchlist__is_canary=False))
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
@require_safe
def review_next(request: HttpRequest) -> HttpResponse:
    """Show the alert at which the reviewer left off, else the next one that waits, or say that none does."""
    found = waiting.to_review(request.session.get(PLACE))
    if found is None:
        context = {"alerts_version": live.waiting(request.user)}
        return render(request, "alerts/empty.html", context)
    return _show(request, found.pk)


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_safe
def next_alert(request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
    """Lead to the open alert after this one; with `part=card` answer its card, or 204 if no other one is open."""
    return _lead(request, waiting.after(get_object_or_404(Alert, pk=alert_id)))


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_safe
def previous_alert(request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
    """Lead to the open alert before this one; with `part=card` answer its card, or 204 before the first."""
    return _lead(request, waiting.before(get_object_or_404(Alert, pk=alert_id)))


@login_required
@permission_required("alerts.view_alert", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def alert(request: HttpRequest, alert_id: uuid.UUID) -> HttpResponse:
    """Show one alert; a POST stores what the reviewer answered to the alert as they saw it.

    A form that shows an older version is refused with 409 and the alert as it is now.
    """
    if request.method != "POST":
        return _show(request, alert_id, part=request.GET.get("part", ""))
    if not request.user.has_perm("alerts.change_alert"):
        raise PermissionDenied
    found = get_object_or_404(Alert.objects.select_related("person__merged_into"), pk=alert_id)
    verdict = Verdict(request.POST)
    if not verdict.is_valid():
        reasons = verdict.errors.get("reason")
        messages.error(
            request,
            str(reasons[0]) if reasons else _("That is no answer. Choose one of those below."),
        )
        return _show(request, alert_id, note=request.POST.get("reason", ""), status=400)
    try:
        told = review.decide(found, by=request.user, **verdict.cleaned_data)
    except review.StaleAlert:
        messages.error(
            request,
            _(
                "Nothing was stored: somebody else decided about it meanwhile. This is how it is now."
            ),
        )
        return _show(request, alert_id, note=verdict.cleaned_data["reason"], status=409)
    tasks.wake_deliveries(told)
    messages.success(request, _outcome(found))
    if settings.BLIND_REVIEW or found.status == Alert.Status.OPEN:
        # What was kept back is shown now; from there it goes on.
        return redirect("alerts:alert", alert_id)
    return redirect("alerts:next", alert_id)


def _lead(request: HttpRequest, found: Alert | None) -> HttpResponse:
    if request.GET.get("part") == "card":
        return _show(request, found.pk, part="card") if found else HttpResponse(status=204)
    return redirect("alerts:alert", found.pk) if found else redirect("alerts:alerts")


def _show(
    request: HttpRequest, alert_id: uuid.UUID, *, part: str = "", note: str = "", status: int = 200
) -> HttpResponse:
    """Return the page of one alert, or a part of it; `note` is what a refused form held.

    The page and its position are asked for when the alert is looked at: they mark the place. A card may be ahead of it.
    """
    found = get_object_or_404(
        Alert.objects.select_related(
            "person__merged_into", "rival", "watchlist", "photo", "face", "reviewed_by"
        ),
        pk=alert_id,
    )
    context: dict[str, Any] = {"alert": found}
    if part != "position":
        context |= _verdict(request, found) | {"note": note}
    if part != "panel":
        context |= {
            "position": waiting.position(found),
            "alerts_version": live.waiting(request.user),
        }
    if part not in ("panel", "position"):
        context |= {
            "seen": lineup.seen_face(found),
            "further": lineup.further_faces(found),
            "known": lineup.known_faces(found.person, beside=found.face),
            "is_blind": settings.BLIND_REVIEW,
        }
    if part in ("", "position") and found.status == Alert.Status.OPEN:
        _keep_place(request, found)
    return render(request, PARTS.get(part, "alerts/review.html"), context, status=status)


def _verdict(request: HttpRequest, found: Alert) -> dict[str, Any]:
    """Return what the panel shows: the questions, or the answer, and the numbers if they may be seen."""
    context = {
        "may_review": request.user.has_perm("alerts.change_alert"),
        "is_mine": found.reviewed_by_id == request.user.pk,
        "longest_reason": LONGEST_REASON,
        "outcome": _outcome(found),
    }
    if not found.is_blind:
        rival = lineup.rival_of(found)
        context |= {
            "rival": rival,
            "scale": lineup.scale_of(found, rival=rival),
            "explanation": explaining.explain(found),
        }
    return context


def _outcome(found: Alert) -> str:
    """Return a sentence of what became of an alert."""
    sentences = {
        Alert.Status.OPEN: _("Possible sighting of %s: open again."),
        Alert.Status.CONFIRMED: _("Possible sighting of %s: confirmed."),
        Alert.Status.DISMISSED: _("Possible sighting of %s: dismissed."),
        Alert.Status.UNSURE: _("Possible sighting of %s: set aside for a second look."),
    }
    return sentences[Alert.Status(found.status)] % found.whom


def _keep_place(request: HttpRequest, found: Alert) -> None:
    if request.session.get(PLACE) != str(found.pk):
        request.session[PLACE] = str(found.pk)
