"""The page of the queue: what waits, who works, what failed, what is paused; and pausing, resuming, trying again."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ledger import capacity, controls, failures, history, live, pauses, standing
from ledger.exhibits import EXHIBITS
from ledger.models import Pause

VIEW = permission_required("ledger.view_worker", raise_exception=True)
#: Hours that the chart may show; the second unless chosen.
HOURS = (1, 6, 24)
#: Rows that one request may name one by one.
MOST_CHOSEN = 100
LONGEST_REASON = Pause._meta.get_field("reason").max_length or 0


@login_required
@VIEW
@never_cache
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """Show everything."""
    at_once = _now(request)
    context = (
        at_once
        | _controls(request, at_once["paused"])
        | _history(request)
        | _failures(request, at_once["failures_version"])
    )
    return render(request, "ledger/queue.html", context)


@login_required
@VIEW
@never_cache
@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """Return what waits and who works, alone."""
    return render(request, "ledger/now.html", _now(request))


@login_required
@VIEW
@never_cache
@require_safe
def controls_part(request: HttpRequest) -> HttpResponse:
    """Return what runs and what is paused, alone."""
    return render(request, "ledger/controls.html", _controls(request, pauses.paused()))


@login_required
@VIEW
@never_cache
@require_safe
def failures_part(request: HttpRequest) -> HttpResponse:
    """Return what failed, alone."""
    return render(request, "ledger/failures.html", _failures(request, failures.version()))


@login_required
@VIEW
@never_cache
@require_safe
def history_part(request: HttpRequest) -> HttpResponse:
    """Return the numbers of the chart, alone."""
    return render(request, "ledger/numbers.html", _history(request))


@login_required
@VIEW
@permission_required("ledger.change_pause", raise_exception=True)
@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    """Pause or resume one subject; twice is once."""
    subject = request.POST.get("subject", "")
    if subject not in pauses.NAMES:
        raise Http404
    name = {"name": pauses.NAMES[subject]}
    if request.POST.get("do") == "resume":
        controls.resume(subject)
        said = _("%(name)s: goes on.") % name
    else:
        reason = request.POST.get("reason", "").strip()[:LONGEST_REASON]
        pauses.pause(subject, by=request.user, reason=reason)
        said = _("%(name)s: paused. What is under way is finished.") % name
    if not request.htmx:  # type: ignore[attr-defined]
        messages.success(request, said)
        return redirect("ledger:queue")
    return render(
        request, "ledger/controls.html", _controls(request, pauses.paused()) | {"said": said}
    )


@login_required
@VIEW
@require_POST
def retry(request: HttpRequest) -> HttpResponse:
    """Put failed rows back to work: all of one reason, or those that were chosen."""
    exhibit = EXHIBITS.get(request.POST.get("model", ""))
    if exhibit is None or exhibit.remedy is None:
        raise Http404
    if not exhibit.may_remedy(request.user):
        raise PermissionDenied
    stage, code = request.POST.get("stage", ""), request.POST.get("code", "")
    if stage not in exhibit.bad:
        raise Http404
    rows = failures.of_reason(exhibit, stage=stage, code=code)
    if (what := request.POST.get("what", "")) != "all":
        chosen = request.POST.getlist("chosen") if what == "chosen" else [what]
        rows = rows.filter(pk__in=exhibit.ids(chosen[:MOST_CHOSEN]))
    count = exhibit.remedy.apply(rows)
    controls.wake_model(exhibit.model)
    said = ngettext("%d is on its way again.", "%d are on their way again.", count) % count
    if not count:
        said = _("Nothing was chosen, or it is on its way again already.")
    if not request.htmx:  # type: ignore[attr-defined]
        messages.add_message(request, messages.SUCCESS if count else messages.INFO, said)
        return redirect("ledger:queue")
    return render(
        request, "ledger/failures.html", _failures(request, failures.version()) | {"said": said}
    )


def _now(request: HttpRequest) -> dict[str, Any]:
    # The version first: what changes while the rest is read is then asked for again.
    version = live.queue(request.user)
    paused = pauses.paused()
    workers = standing.at_work(request.user)
    return {
        "version": version,
        "capacity": capacity.measured(),
        "target_wait": settings.TARGET_WAIT,
        "now": timezone.now(),
        "paused": paused,
        "pauses_version": _version_of(paused),
        "failures_version": failures.version(),
        "models": standing.models(request.user, paused=paused),
        "workers": workers,
        "alive": sum(worker.is_alive for worker in workers),
    }


def _controls(request: HttpRequest, paused: list[pauses.Paused]) -> dict[str, Any]:
    found = {one.subject: one for one in paused}
    return {
        "subjects": [(key, name, found.get(key)) for key, name in pauses.NAMES.items()],
        "pauses_version": _version_of(paused),
        "may_pause": request.user.has_perm("ledger.change_pause"),
        "longest_reason": LONGEST_REASON,
    }


def _version_of(paused: Iterable[pauses.Paused]) -> str:
    return ";".join(f"{one.subject}@{one.since.isoformat()}" for one in paused)


def _failures(request: HttpRequest, version: str) -> dict[str, Any]:
    """Return why rows failed; the version is older than what is read here, so that nothing is missed."""
    reasons = [
        {
            "reason": reason,
            "may_remedy": reason.exhibit.may_remedy(request.user),
            "examples": _examples(request, reason),
            # What a row says of itself is for those who may see rows.
            "detail": reason.detail if reason.exhibit.may_view(request.user) else "",
            "address": reason.exhibit.list_address(reason.stage, request.user),
        }
        for reason in failures.reasons()
    ]
    return {"failures_version": version, "reasons": reasons}


def _examples(request: HttpRequest, reason: failures.Reason) -> list[dict[str, Any]]:
    """Return the examples that the user may see, with their names and addresses."""
    exhibit = reason.exhibit
    if not exhibit.may_view(request.user):
        return []
    return [
        {
            "row": row,
            "name": exhibit.row_name(row),
            "address": exhibit.row_address(row.pk, request.user),
        }
        for row in reason.examples
    ]


def _history(request: HttpRequest) -> dict[str, Any]:
    """Return the minutes of the chosen hours and model: as columns for the chart, and in steps for the table."""
    asked = request.GET.get("hours", "")
    hours = int(asked) if asked in map(str, HOURS) else HOURS[1]
    charted = {exhibit.key: exhibit for exhibit in history.charted()}
    exhibit = charted.get(request.GET.get("of", "")) or next(iter(charted.values()))
    minutes = history.minutes(exhibit, hours=hours)
    return {
        "hours": hours,
        "all_hours": HOURS,
        "of": exhibit,
        "charted": charted.values(),
        "columns": history.columns(minutes, hours=hours),
        "steps": history.steps(minutes),
    }
