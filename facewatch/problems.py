"""What goes wrong under /api/ and at /metrics answers as problem details (RFC 9457), with a code that programs rely on.

The layers below raise errors that carry facts; here alone they become HTTP.
"""

import json
import logging
import sqlite3
import sys
from collections.abc import Mapping
from functools import singledispatch
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.template import loader
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from alerts.review import StaleAlert
from ledger import intake, leases
from recognition.engine import ImageError
from recognition.people import CannotEnrol, CannotMerge, CannotUnmerge
from recognition.photos import KeyReused, TooLarge
from recognition.searches import NoWorker, SearchFailed

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

#: The title of each code: the same in every answer. `detail` speaks of the one case.
TITLES = {
    "authentication_failed": "The credentials are not valid",
    "backlog_full": "Too many photos wait already",
    "bad_request": "The request is not valid",
    "cannot_merge": "These people cannot be merged",
    "cannot_unmerge": "The merge cannot be undone",
    "conflict": "Someone else changed the same thing at the same time",
    "database_unavailable": "The database does not answer",
    "disk_full": "The server's disk is full",
    "idempotency_key_reused": "The key stands for another photo",
    "known_as_another": "The face is known as another person",
    "low_quality": "The face is not good enough to know somebody by",
    "merged": "The person was merged into another",
    "method_not_allowed": "The method is not allowed here",
    "no_token": "The request carries no token",
    "no_worker": "No worker answered in time",
    "not_authenticated": "Who you are is not known",
    "not_ended": "It was sent, or will be",
    "too_many_streams": "Too many streams are open",
    "nothing_to_look_through": "There is nothing to look through",
    "has_ended": "It has ended",
    "not_signed": "This channel is not signed",
    "not_failed": "The photo has not failed",
    "not_found": "There is no such thing",
    "not_recognised": "The face is not recognised",
    "not_ready": "The picture is not ready yet",
    "parse_error": "The request cannot be read",
    "paused": "It is paused",
    "permission_denied": "You may not do this",
    "precondition_required": "The request must say which version it changes",
    "server_error": "The server failed",
    "stale": "The alert was changed meanwhile",
    "storage_unavailable": "The storage of the photos does not answer",
    "throttled": "Too many tries",
    "too_large": "The file is too large",
    "too_many_pixels": "The picture has too many pixels",
    "unreadable_image": "The picture cannot be read",
    "unsupported_format": "The picture's format is not supported",
    "unsupported_media_type": "The content type is not supported",
    "validation": "Some fields are not valid",
}

#: What SQLite answers while somebody else has the database, or the disk does not give it.
AWAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
#: Seconds after which to ask a database again that did not answer.
DATABASE_WAIT = 10

#: What to do, where the framework's own sentence does not say it.
ADVICE = {
    exceptions.AuthenticationFailed: "The token is unknown or expired, or its user is inactive. Get a new one.",
    exceptions.NotAuthenticated: "Send a token as `Authorization: Token …`, or sign in.",
    exceptions.NotFound: "Nothing that you may see is at this address. Check the id.",
    exceptions.PermissionDenied: "Your user lacks the permission. Ask who manages the users for a role that has it.",
}


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    errors: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the answer for one problem; `errors` names the fields that are not valid, each with its messages."""
    body: dict[str, Any] = {
        "type": f"urn:facewatch:problem:{code}",
        "title": TITLES.get(code, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors is not None:
        body["errors"] = errors
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE, headers=dict(headers or {}))


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponse | None:
    """Return the answer to an error within an API view, or None for one that nobody expected: that is a 500."""
    return _answer(error)


@singledispatch
def _answer(error: Exception) -> HttpResponse | None:
    """Return the answer to an error of a registered class or one derived from it, else None."""
    for kind, status, code in SPEAKING:
        if isinstance(error, kind):
            return problem(status=status, code=code, detail=str(error) or TITLES[code])
    return None


#: Errors whose text says it all, the narrower before the wider.
SPEAKING: tuple[tuple[type[Exception], int, str], ...] = (
    (TooLarge, 413, "too_large"),
    (RequestDataTooBig, 413, "too_large"),
    (SuspiciousOperation, 400, "bad_request"),
    (MultiPartParserError, 400, "parse_error"),
    (NoWorker, 504, "no_worker"),
    (CannotMerge, 409, "cannot_merge"),
    (CannotUnmerge, 409, "cannot_unmerge"),
    (StaleAlert, 412, "stale"),
    (KeyReused, 422, "idempotency_key_reused"),
)


@_answer.register
def _(error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(round(wait))
    code = str(getattr(error.detail, "code", error.default_code))
    code = {"error": "server_error"}.get(code, code)
    said = str(error.detail)
    own = said != str(error.default_detail)
    detail = said if own else ADVICE.get(type(error), said)
    return problem(status=error.status_code, code=code, detail=detail, headers=headers)


@_answer.register
def _(error: exceptions.ValidationError) -> HttpResponse:
    errors = error.detail if isinstance(error.detail, dict) else {"non_field_errors": error.detail}
    names = ", ".join(str(name) for name in errors if name != "non_field_errors")
    detail = f"Correct these fields: {names}." if names else "Correct what `errors` names."
    return problem(status=400, code="validation", detail=detail, errors=errors)


@_answer.register
def _(error: Http404) -> HttpResponse | None:
    return _answer(exceptions.NotFound())


@_answer.register
def _(error: PermissionDenied) -> HttpResponse | None:
    return _answer(exceptions.PermissionDenied())


@_answer.register
def _(error: intake.Refused) -> HttpResponse:
    return _unavailable(error.code, f"{error}.", wait=error.retry_after)


@_answer.register(ImageError)
@_answer.register(SearchFailed)
def _(error: ImageError | SearchFailed) -> HttpResponse:
    return problem(status=400, code=error.code, detail=str(error))


@_answer.register
def _(error: CannotEnrol) -> HttpResponse:
    status = 409 if error.code == "known_as_another" else 400
    return problem(status=status, code=error.code, detail=str(error))


@_answer.register
def _(error: OSError) -> HttpResponse | None:
    if isinstance(error, leases.StorageUnavailable):
        logger.error("%s", error)
        return _answer(intake.NoStorage())
    if error.errno not in leases.NO_ROOM:
        return None
    logger.error("The disk is full: %s", error)
    return _answer(intake.DiskFull())


@_answer.register(OperationalError)
@_answer.register(InterfaceError)
def _(error: OperationalError | InterfaceError) -> HttpResponse | None:
    # Only SQLite's errors have a code, whose low byte is the kind; its programming errors are of this class as well.
    kind = getattr(error.__cause__, "sqlite_errorcode", sqlite3.SQLITE_BUSY) & 0xFF
    if kind == sqlite3.SQLITE_FULL:
        logger.error("The disk is full: %s", error)
        return _answer(intake.DiskFull())
    if kind not in AWAY:
        return None
    logger.error("The database does not answer: %s", error)
    detail = "The database does not answer; nothing was stored."
    return _unavailable("database_unavailable", detail, wait=intake.wait(DATABASE_WAIT))


@_answer.register
def _(error: DataError) -> HttpResponse:
    # PostgreSQL takes no zero bytes, and no offset of 16 hours or more from UTC, where SQLite does.
    logger.warning("The database cannot hold what was sent: %s", error)
    detail = "A value in the request is one that the database cannot hold. Correct it, then repeat the request."
    return problem(status=400, code="bad_request", detail=detail)


@_answer.register
def _(error: IntegrityError) -> HttpResponse:
    # The checks before the write found nothing: someone else wrote at the same time.
    logger.warning("A write was refused by the database: %s", error)
    detail = "Nothing was changed. Look again, then repeat the request."
    return problem(status=409, code="conflict", detail=detail)


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    """Answer for the addresses under /api/ that do not exist."""
    if request.path.endswith("/"):
        detail = "There is nothing at this address; /api/docs/ lists all there are."
    else:
        detail = f"There is nothing at this address. Addresses end with a slash: {request.path}/"
    return problem(status=404, code="not_found", detail=detail)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: requests that are refused before a view sees them."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return handle(exception, {}) or problem(
        status=400, code="bad_request", detail=TITLES["bad_request"]
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: the error itself is in the log, and never in the answer.

    What the machine is to blame for for now, such as a full disk, is a 503 instead, on pages as well.
    """
    error = sys.exception()
    answer = _answer(error) if isinstance(error, Exception) else None
    if answer is not None and answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        return answer if _is_api(request) else _page(answer)
    if not _is_api(request):
        return defaults.server_error(request)
    detail = "The error is in the server's log. Trying again later may help."
    return problem(status=500, code="server_error", detail=detail)


def _unavailable(code: str, detail: str, *, wait: int) -> HttpResponse:
    detail = f"{detail} Try again in {wait} s."
    return problem(status=503, code=code, detail=detail, headers={"Retry-After": str(wait)})


def _page(answer: HttpResponse) -> HttpResponse:
    """Return the page that says what a problem's answer says; made without the database."""
    text = loader.get_template("503.html").render({"problem": json.loads(answer.content)})
    headers = {"Retry-After": answer["Retry-After"]}
    return HttpResponse(text, status=answer.status_code, headers=headers)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or request.path == "/metrics"
