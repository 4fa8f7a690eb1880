"""The pages on which many people are enrolled from an archive: send it, look through what it will do, confirm, follow.

They stand under the admin of people and ask for the permissions to add people and known faces.
"""

import uuid
from collections import Counter
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.uploadhandler import load_handler
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from ledger.intake import Refused
from recognition import batches, live, photos, tasks
from recognition.admin import file_fields, pictures
from recognition.admin.folders import Contents
from recognition.admin.reasons import reason
from recognition.archives import MOST_ENTRIES, BadArchive
from recognition.models import Batch, Person

#: What it takes to enrol from an archive.
PERMISSIONS = ("recognition.add_person", "recognition.add_knownface")
#: Bytes of a request besides the file that it brings.
OVERHEAD = 100_000
#: Archives in the list of the latest.
MOST_SHOWN = 20
#: What is wrong with an archive and what to do, by the code of its error.
FAULTS = {
    "not_zip": _lazy(
        "This is not a zip archive, or it is damaged. Pack the folders as a zip archive, and send that."
    ),
    "too_many_files": _lazy(
        "The archive has more than %(most)d files. Make several archives, and send one after the other."
    ),
    "overlapping_files": _lazy("The files in the archive overlap. Pack it anew."),
    "unpacks_to_too_much": _lazy(
        "The archive unpacks to too much. Make several archives, and send one after the other."
    ),
    "no_photos": _lazy(
        "The archive has no photo to enrol. Put the photos of each person, as JPEG, PNG or WebP, into a folder that has"
        " the person's name, and pack these folders."
    ),
}


def may_enrol(request: HttpRequest) -> bool:
    """Return whether a user of the admin may enrol people from archives."""
    return bool(request.user.has_perms(PERMISSIONS))


class ArchivePages:
    """The views, on one admin site."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def urls(self) -> list[URLPattern]:
        """Return their addresses, which stand below those of people."""
        view = self._site.admin_view
        return [
            path("archive/", view(self.send_view), name="recognition_person_archive"),
            path("archive/<uuid:batch_id>/", view(self.batch_view), name="recognition_batch"),
            path(
                "archive/<uuid:batch_id>/contents/",
                view(self.contents_view),
                name="recognition_batch_contents",
            ),
            path(
                "archive/<uuid:batch_id>/<str:verb>/",
                view(self.change_view),
                name="recognition_batch_change",
            ),
        ]

    # Sending

    @property
    def send_view(self) -> Any:
        """Take an archive. What reads it is chosen before the body is, so that its form is looked at inside."""

        @csrf_exempt
        def send(request: HttpRequest) -> HttpResponse:
            if not may_enrol(request):
                raise PermissionDenied
            if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_ARCHIVE_BYTES + OVERHEAD:
                return self._form(request, fault=_too_large(), status=413)
            request.upload_handlers = [
                load_handler(name, request) for name in settings.ARCHIVE_UPLOAD_HANDLERS
            ]
            try:
                return csrf_protect(self._send)(request)
            except RequestDataTooBig:
                return self._form(request, fault=_too_large(), status=413)

        return send

    def _send(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return self._form(request)
        file = request.FILES.get("archive")
        if file is None:
            return self._form(request, fault=_("Choose a zip archive."), status=400)
        try:
            batch = batches.store(file, owner=request.user)
        except BadArchive as error:
            return self._form(
                request, fault=fault(error), passed=passed_over(error.problems), status=400
            )
        except photos.TooLarge:
            return self._form(request, fault=_too_large(), status=413)
        except Refused as error:
            text = _("%(why)s. Nothing was stored; send it again in about %(seconds)s seconds.")
            facts = {"why": error, "seconds": error.retry_after}
            return self._form(request, fault=text % facts, status=503)
        return redirect("admin:recognition_batch", batch.pk)

    def _form(
        self, request: HttpRequest, *, fault: str = "", passed: Any = (), status: int = 200
    ) -> HttpResponse:
        latest = Batch.objects.select_related("owner")[:MOST_SHOWN]
        context = {
            **self._context(request, _("Enrol from an archive")),
            "fault": fault,
            "passed": passed,
            "latest": latest,
            "limit_mb": f"{settings.MAX_ARCHIVE_BYTES / 1e6:g}",
            "attributes": {
                **file_fields.ATTRIBUTES,
                "data-drop-text": _("or drop it here"),
                "data-type-text": _("Not sent: it is no zip archive."),
                "data-large-text": _("Not sent: it has more than LIMIT MB. Make several of it."),
                "data-limit": settings.MAX_ARCHIVE_BYTES,
                "data-most": 1,
            },
        }
        return TemplateResponse(
            request, "admin/recognition/person/archive.html", context, status=status
        )

    # One archive

    def batch_view(self, request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
        """Show what an archive will do, or how far it is."""
        batch = self._batch(request, batch_id)
        context = self._context(request, batch.name or _("Archive")) | _contents(request, batch)
        return TemplateResponse(request, "admin/recognition/person/batch.html", context)

    def contents_view(self, request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
        """Show that alone: what the open page puts in place of the older state."""
        batch = self._batch(request, batch_id)
        return TemplateResponse(
            request, "admin/recognition/person/batch_contents.html", _contents(request, batch)
        )

    def change_view(self, request: HttpRequest, batch_id: uuid.UUID, verb: str) -> HttpResponse:
        """Confirm an archive, throw it away, stop it, or try it again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        batch = self._batch(request, batch_id)
        do = {
            "confirm": batches.confirm,
            "discard": batches.discard,
            "stop": batches.stop,
            "retry": batches.retry,
        }.get(verb)
        if do is None or not do(batch):
            messages.warning(
                request, _("Nothing was done: somebody else was quicker. This is how it is now.")
            )
        elif verb == "discard":
            messages.success(request, _("The archive is thrown away; nobody was enrolled."))
            return redirect("admin:recognition_person_archive")
        elif verb == "stop":
            messages.success(request, _("Stopped. What is enrolled already stays."))
        else:
            tasks.wake_batch(batch)
        return redirect("admin:recognition_batch", batch.pk)

    def _batch(self, request: HttpRequest, batch_id: uuid.UUID) -> Batch:
        if not may_enrol(request):
            raise PermissionDenied
        return get_object_or_404(Batch.objects.select_related("owner"), pk=batch_id)

    def _context(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {
            **self._site.each_context(request),
            "title": title,
            "opts": Person._meta,
            "media": pictures.MEDIA,
        }


def fault(error: BadArchive) -> str:
    """Return what is wrong with an archive, and what to do."""
    return str(FAULTS[error.code]) % {"most": MOST_ENTRIES}


def passed_over(problems: "Counter[str]") -> list[str]:
    """Return a line for each problem of an archive's files, the most frequent first."""
    return [
        ngettext("%(count)d file: %(title)s", "%(count)d files: %(title)s", count)
        % {"count": count, "title": reason(code).title}
        for code, count in problems.most_common()
    ]


def _too_large() -> str:
    text = _("The archive is larger than %(limit)s MB. Make several archives, and send each.")
    return text % {"limit": f"{settings.MAX_ARCHIVE_BYTES / 1e6:g}"}


def _contents(request: HttpRequest, batch: Batch) -> dict[str, Any]:
    # Before what is shown is read: what changes in between is asked for again.
    version = live.batches(request.user, [str(batch.pk)])[str(batch.pk)]
    return {
        "batch": batch,
        "contents": Contents(batch, page=request.GET.get("p", "1")),
        "version": version,
        "why": reason(batch.error_code) if batch.error_code else None,
    }
