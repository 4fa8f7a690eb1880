"""The API is what its description says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.conf import settings
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from knox.models import AuthToken

from facewatch import problems
from facewatch.wsgi import application
from tests import make

FILE = Path(settings.BASE_DIR) / "docs" / "openapi.yaml"


def test_the_committed_description_is_current_and_valid(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(fresh), validate=True, fail_on_warn=True)
    assert FILE.read_text() == fresh.read_text(), (
        "Run: manage.py spectacular --file docs/openapi.yaml"
    )


def test_the_served_description_is_openapi_3_1() -> None:
    served = yaml.safe_load(Client().get("/api/schema/").content)
    assert served["openapi"] == "3.1.0"
    assert "/api/v1/photos/" in served["paths"]


def test_every_operation_describes_its_problems() -> None:
    paths = yaml.safe_load(FILE.read_text())["paths"]
    for path, item in paths.items():
        for method, operation in item.items():
            failures = {code for code in operation["responses"] if code >= "400"}
            assert "401" in failures, (path, method)
            for code in failures:
                assert list(operation["responses"][code]["content"]) == ["application/problem+json"]


def test_the_documentation_page_needs_no_other_server() -> None:
    page = Client().get("/api/docs/")
    policy = page["Content-Security-Policy"]
    assert "style-src 'self' 'unsafe-inline'" in policy
    assert "script-src" not in policy
    assert "default-src 'self'" in policy
    text = page.content.decode()
    assert "<script>" not in text
    assert "//" not in text.replace("<!--", "")
    script = Client().get("/api/docs/?script=")
    assert script["Content-Type"].startswith("application/javascript")


schema = schemathesis.openapi.from_dict(yaml.safe_load(FILE.read_text()))
schema.app = application
schema.location = "http://localhost/api/schema/"


@pytest.fixture
def token(db: None) -> Iterator[str]:
    """A token of a superuser; the server's end of each request leaves the test's connection open, as Client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield str(AuthToken.objects.create(user=make.user(is_superuser=True))[1])
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


#: Numbers are taken for text and an empty filter for none, and a well-formed id may name nothing: whether what is sent
#: makes sense is for the tests of each call.
TOO_STRICT: list[Any] = schemathesis.checks.CHECKS.get_by_names(
    ["negative_data_rejection", "positive_data_acceptance"]
)


# A search needs a worker; tokens are got and lost; a stream does not end.
# Schemathesis names the operation in a test's id, since pytest 9.2, only if something else is in it as well.
@pytest.mark.parametrize("excluded", [TOO_STRICT], ids=["as described"])
@schema.exclude(
    operation_id=["search", "token_create", "token_destroy", "alerts_stream_retrieve"]
).parametrize()
@hypothesis_settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(
    case: schemathesis.Case[Any], token: str, excluded: list[Any]
) -> None:
    case.call_and_validate(headers={"Authorization": f"Token {token}"}, excluded_checks=excluded)


def test_every_code_is_in_the_documentation() -> None:
    text = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()
    assert not [code for code in problems.TITLES if f"`{code}`" not in text]
