"""System checks: what is set up wrongly, said before anything runs."""

from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from recognition import engine


@register
def check_engine(**_: Any) -> list[Error]:
    """The engine that FACEWATCH_ENGINE names must exist."""
    if settings.ENGINE in engine.MODULES:
        return []
    names = ", ".join(engine.MODULES)
    return [
        Error(
            f"FACEWATCH_ENGINE names no engine: {settings.ENGINE!r}.",
            hint=f"Set it to one of: {names}.",
            id="recognition.E001",
        )
    ]


@register
def check_detail(**_: Any) -> list[Error]:
    """The detail that FACEWATCH_DETAIL names must exist."""
    if settings.DETAIL in list(engine.Detail):
        return []
    return [
        Error(
            f"FACEWATCH_DETAIL names no detail: {settings.DETAIL!r}.",
            hint=f"Set it to one of: {', '.join(engine.Detail)}.",
            id="recognition.E002",
        )
    ]
