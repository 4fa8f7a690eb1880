"""Every error under /api/ is a problem with a code; nothing of the inside is shown."""

import errno
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, IntegrityError
from django.http import Http404
from django.test import Client, RequestFactory
from rest_framework import exceptions

from facewatch import problems
from recognition.searches import SearchFailed
from tests import make
from tests.api.conftest import problem, token_client


@pytest.mark.parametrize("path", ["/api/", "/api/v1/", "/api/v2/photos/", "/api/v1/photos/12/"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_unknown_addresses_are_problems(path: str, method: str) -> None:
    problem(getattr(Client(), method)(path), 404, "not_found")


def test_a_forgotten_slash_is_pointed_out() -> None:
    body = problem(Client().post("/api/v1/photos"), 404, "not_found")
    assert "/api/v1/photos/" in body["detail"]


def test_a_wrong_method_is_a_405(db: None) -> None:
    client = token_client(make.user(is_superuser=True))
    answer = client.put("/api/v1/photos/", {})
    problem(answer, 405, "method_not_allowed")
    assert "GET" in answer["Allow"]
    problem(client.options("/api/v1/photos/"), 405, "method_not_allowed")


@pytest.mark.parametrize("body", ["{", "[1", '{"name": NaN}'])
def test_broken_json_is_a_400(db: None, body: str) -> None:
    client = token_client(make.user(is_superuser=True))
    answer = client.post("/api/v1/people/", body, content_type="application/json")
    problem(answer, 400, "parse_error")


def test_json_that_is_no_object_is_a_400(db: None) -> None:
    client = token_client(make.user(is_superuser=True))
    body = problem(client.post("/api/v1/people/", [1], format="json"), 400, "validation")
    assert "non_field_errors" in body["errors"]


def test_a_broken_multipart_body_is_a_400(db: None) -> None:
    client = token_client(make.user(is_superuser=True))
    answer = client.post("/api/v1/photos/", b"x", content_type="multipart/form-data")
    problem(answer, 400, "parse_error")


def test_an_unknown_address_asks_for_no_csrf_token() -> None:
    problem(Client(enforce_csrf_checks=True).post("/api/v1/nothing/"), 404, "not_found")


def test_a_form_of_too_many_bytes_is_a_413(db: None) -> None:
    client = token_client(make.user(is_superuser=True))
    answer = client.post("/api/v1/photos/", {"source": "x" * 3_000_000})
    problem(answer, 413, "too_large")


def test_an_unknown_host_is_a_400_before_any_view() -> None:
    problem(Client().get("/api/v1/photos/", headers={"Host": "evil.example"}), 400, "bad_request")
    page = Client().get("/login/", headers={"Host": "evil.example"})
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (400, "text/html")


def test_an_unexpected_error_is_a_500_that_tells_nothing() -> None:
    answer = problems.server_error(RequestFactory().get("/api/v1/photos/"))
    assert answer.status_code == 500
    assert b"server_error" in answer.content
    page = problems.server_error(RequestFactory().get("/photos/"))
    assert page["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (exceptions.APIException(), 500, "server_error"),
        (SuspiciousOperation("odd"), 400, "bad_request"),
        (IntegrityError("UNIQUE"), 409, "conflict"),
        (OSError(errno.ENOSPC, "No space"), 503, "disk_full"),
        (SearchFailed(code="unreadable_image", detail="Cut off."), 400, "unreadable_image"),
    ],
)
def test_errors_become_problems(error: Exception, status: int, code: str) -> None:
    answer: Any = problems.handle(error, {})
    assert f'"code": "{code}"'.encode() in answer.content
    assert answer.status_code == status
    assert code in problems.TITLES


@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O"), ValueError("?")])
def test_what_nobody_expected_is_left_to_the_log(error: Exception) -> None:
    assert problems.handle(error, {}) is None


def test_what_the_database_cannot_hold_is_a_400() -> None:
    answer: Any = problems.handle(DataError("a zero byte"), {})
    assert answer.status_code == 400
    assert b"zero" not in answer.content


@pytest.mark.parametrize(
    ("moment", "status"), [("2026-01-01T00:00:00-22:55", 200), ("0001-01-01T00:00:00%2B22:55", 400)]
)
def test_a_time_far_from_utc_is_a_time(db: None, moment: str, status: int) -> None:
    client = token_client(make.user(is_superuser=True))
    assert client.get(f"/api/v1/photos/?created_after={moment}").status_code == status
