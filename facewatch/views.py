"""The front page: what waits, what came in, and whether it is being worked on; and what keeps open pages fresh."""

import hashlib
import json
import math
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Min, Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import parse_etags
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alerts import browsing as alert_browsing
from alerts import canary
from alerts import live as alerts_live
from facewatch import live, streams
from ledger import backlog, pauses, workers
from ledger import live as queue_live
from recognition import access, audits
from recognition import browsing as photo_browsing
from recognition import live as photos_live
from recognition.models import Photo

#: Alerts and photos that the front page shows.
LATEST_ALERTS, LATEST_PHOTOS = 5, 12


@login_required
@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what waits for review, what came in lately, and the state of the pipeline.

    The page takes its parts anew one by one: then only the asked one is there, and the rest costs nothing.
    """
    asked = request.GET.get("part", "")
    context: dict[str, Any] = {}
    for part, facts in PARTS.items():
        if asked in (part, ""):
            context |= facts(request.user)
    return render(request, "facewatch/home.html", context)


@require_safe
def changes(request: HttpRequest) -> HttpResponseBase:
    """Say how far the topics of an open page are: as a stream of events if it is asked for one, else once.

    Without a session it is answered 401, without a free place for a stream 204, after which a browser does not open it
    again by itself: the page asks again and again then, and is answered 304 while nothing changed.
    """
    if not request.user.is_authenticated:
        return HttpResponse(status=HTTPStatus.UNAUTHORIZED)
    topics = live.known_topics(request.GET.getlist("topic"))
    headers = {"Cache-Control": "no-store"}
    if "text/event-stream" not in request.headers.get("Accept", ""):
        body = json.dumps(live.versions(topics, user=request.user))
        etag = f'"{hashlib.sha256(body.encode()).hexdigest()[:16]}"'
        if etag in parse_etags(request.headers.get("If-None-Match", "")):
            return HttpResponse(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag} | headers)
        return HttpResponse(body, content_type="application/json", headers={"ETag": etag} | headers)
    stream = streams.open_stream(
        partial(_look, request, topics), owner=request.user.pk, page=request.GET.get("page", "")
    )
    if stream is None:
        return HttpResponse(status=HTTPStatus.NO_CONTENT, headers=headers)
    # Proxies are asked to pass each event on at once.
    return StreamingHttpResponse(
        stream,
        content_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"} | headers,
    )


def _look(request: HttpRequest, topics: list[str]) -> dict[str, str] | None:
    """Return the versions now, or None once the session was ended, by signing out in another window for example."""
    if not request.session.exists(request.session.session_key or ""):
        return None
    return live.versions(topics, user=request.user)


def _waiting_alerts(user: Any) -> dict[str, Any]:
    """Return the open alerts, newest first, and their number; nothing for those who may not see alerts."""
    if not user.has_perm("alerts.view_alert"):
        return {}
    waiting = alert_browsing.open_alerts()
    latest = alert_browsing.with_evidence(waiting).order_by("-created_at", "-id")
    counted = waiting.aggregate(waiting_alerts=Count("pk"), oldest_alert=Min("created_at"))
    return counted | {
        "alerts": latest[:LATEST_ALERTS],
        "alerts_version": alerts_live.waiting(user),
    }


def _latest_photos(user: Any) -> dict[str, Any]:
    """Return the newest photos that the user may see, and how many came in within the last day and hour."""
    visible = photo_browsing.uploads(access.visible_photos(user))
    latest = photo_browsing.with_faces(visible.order_by("-created_at", "-id"))[:LATEST_PHOTOS]
    now = timezone.now()
    hour_ago = Q(created_at__gte=now - timedelta(hours=1))
    today = visible.filter(created_at__gte=now - timedelta(days=1))
    return today.aggregate(came_in_day=Count("pk"), came_in_hour=Count("pk", filter=hour_ago)) | {
        "views": [photo_browsing.view_of(photo) for photo in latest],
        "photos_version": photos_live.newest_upload(user),
    }


def _pipeline(user: Any) -> dict[str, Any]:
    """Return the workers that are alive, and how many photos wait, are worked on, and failed."""
    state = backlog.state(Photo)
    stages = state["stages"].values()
    audit = audits.failed() if user.has_perm("recognition.view_person") else None
    return {
        "workers": workers.alive(),
        "in_work": sum(stage["leased"] for stage in stages),
        "in_queue": sum(stage["ready"] + stage["waiting"] for stage in stages),
        "failed": state["failed"],
        "done_per_minute": state["done_per_minute"],
        "eta_minutes": math.ceil((state["eta_seconds"] or 0) / 60),
        "paused": pauses.paused(),
        "canary": canary.late(),
        "audit": audit,
        "audit_consequence": audits.consequence(audit) if audit else "",
        "queue_version": queue_live.queue(user),
    }


#: The parts of the front page, by the topic that each follows.
PARTS = {"alerts": _waiting_alerts, "photos": _latest_photos, "queue": _pipeline}
