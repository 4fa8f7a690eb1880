"""The OpenAPI description: what views cannot say themselves, and the page that shows it."""

from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from drf_spectacular.views import SpectacularSwaggerSplitView

from facewatch.problems import MEDIA_TYPE

PROBLEM = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string", "description": "The same for every answer with this code."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong here, and what to do."},
        "code": {"type": "string", "description": "For programs."},
        "errors": {
            "type": "object",
            "description": "With code `validation`: the messages of each field.",
            "additionalProperties": True,
        },
    },
}

METHODS = ("get", "post", "put", "patch", "delete")


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Describe the problem answers of every operation: those that its kind implies, and those of its `x-problems`."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for path, item in result["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                own = operation.pop("x-problems", {})
                codes = _implied(path, operation) | {str(key): code for key, code in own.items()}
                for status, code in sorted(codes.items()):
                    operation["responses"][status] = _response(code)
    return result


def _implied(path: str, operation: dict[str, Any]) -> dict[str, str]:
    codes: dict[str, str] = {}
    if operation.get("security"):
        codes |= {"401": "not_authenticated, authentication_failed", "403": "permission_denied"}
    if "{" in path or _parameter(operation, "cursor"):
        codes["404"] = "not_found"
    if "requestBody" in operation:
        codes |= {"400": "validation, parse_error", "415": "unsupported_media_type"}
    elif _parameter(operation, "cursor"):
        codes["400"] = "validation"
    if operation.get("requestBody") and operation["operationId"].endswith(("_create", "_update")):
        codes["409"] = "conflict"
    return codes


def _parameter(operation: dict[str, Any], name: str) -> bool:
    return any(parameter["name"] == name for parameter in operation.get("parameters", []))


def _response(codes: str) -> dict[str, Any]:
    return {
        "description": f"Code: {codes}.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


@method_decorator(csp_update({"style-src": [SELF, UNSAFE_INLINE]}), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from this server's own files. It writes styles into the page; scripts stay in files."""

    url_name = "schema"
