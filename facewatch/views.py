"""The front page: what waits, what came in, and whether it is being worked on."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alerts import browsing as alert_browsing
from ledger import backlog, workers
from recognition import access
from recognition import browsing as photo_browsing
from recognition.models import Photo

#: Alerts and photos that the front page shows.
LATEST_ALERTS, LATEST_PHOTOS = 5, 12


@login_required
@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what waits for review, what came in lately, and the state of the pipeline."""
    return render(
        request,
        "facewatch/home.html",
        _waiting_alerts(request.user) | _latest_photos(request.user) | _pipeline(),
    )


def _waiting_alerts(user: Any) -> dict[str, Any]:
    """Return the open alerts, newest first, and their number; nothing for those who may not see alerts."""
    if not user.has_perm("alerts.view_alert"):
        return {}
    waiting = alert_browsing.open_alerts()
    latest = alert_browsing.with_evidence(waiting).order_by("-created_at", "-id")
    return {"waiting_alerts": waiting.count(), "alerts": latest[:LATEST_ALERTS]}


def _latest_photos(user: Any) -> dict[str, Any]:
    visible = photo_browsing.uploads(access.visible_photos(user))
    latest = photo_browsing.with_faces(visible.order_by("-created_at", "-id"))[:LATEST_PHOTOS]
    return {"views": [photo_browsing.view_of(photo) for photo in latest]}


def _pipeline() -> dict[str, Any]:
    """Return the workers that are alive, and how many photos wait, are worked on, and failed."""
    state = backlog.state(Photo)
    stages = state["stages"].values()
    return {
        "workers": workers.alive(),
        "in_work": sum(stage["leased"] for stage in stages),
        "in_queue": sum(stage["ready"] + stage["waiting"] for stage in stages),
        "failed": state["failed"],
        "done_per_minute": state["done_per_minute"],
    }
