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
