"""The page on which photos are uploaded."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from ledger import pauses
from recognition import browsing, incoming
from recognition.models import Photo

#: Uploads shown to their owner again below the form.
RECENT_UPLOADS = 24
#: Characters of a source's name.
LONGEST_SOURCE = 100
#: What, while it is paused, keeps an upload from being taken in or looked at.
PAUSES = (
    pauses.INTAKE,
    *(pauses.subject_of(Photo, stage) for stage in Photo.OPEN_STAGES),
)


@login_required
@permission_required("recognition.add_photo", raise_exception=True)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Show the form and the user's latest uploads; a POST, from a browser without scripts, stores the files."""
    if request.method == "POST":
        files = request.FILES.getlist("image")
        source = request.POST.get("source", "").strip()[:LONGEST_SOURCE]
        incoming.tell(request, incoming.take(files, owner=request.user, source=source))
        if not files:
            messages.error(request, _("Choose a photo first."))
        return redirect("recognition:upload")
    mine = browsing.uploads(Photo.objects.filter(owner=request.user.pk))
    recent = browsing.with_faces(mine.order_by("-created_at", "-id"))[:RECENT_UPLOADS]
    context = {
        "views": [browsing.view_of(photo) for photo in recent],
        "most_bytes": str(settings.MAX_UPLOAD_BYTES),
        "most_megabytes": settings.MAX_UPLOAD_BYTES // 1_000_000,
        "longest_source": str(LONGEST_SOURCE),
        "paused": [one for one in pauses.paused() if one.subject in PAUSES],
        "advice": incoming.ADVICE.items(),
    }
    return render(request, "recognition/upload.html", context)
