"""System checks: what is set up wrongly, said before anything runs."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import DatabaseError, connection

from recognition import engine
from recognition.gallery import parity


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


@register
def check_gallery(**_: Any) -> list[Error]:
    """FACEWATCH_GALLERY must name a way to hold the known faces, and pgvector be on PostgreSQL."""
    if settings.GALLERY not in {parity.EXACT, parity.PGVECTOR}:
        return [
            Error(
                f"FACEWATCH_GALLERY names no way to hold the known faces: {settings.GALLERY!r}.",
                hint=f"Set it to one of: {parity.EXACT}, {parity.PGVECTOR}.",
                id="recognition.E003",
            )
        ]
    if settings.GALLERY == parity.PGVECTOR and connection.vendor != "postgresql":
        return [
            Error(
                "FACEWATCH_GALLERY is pgvector, and the database is no PostgreSQL.",
                hint="Set DATABASE_URL to a PostgreSQL with pgvector, or leave FACEWATCH_GALLERY out.",
                id="recognition.E004",
            )
        ]
    return []


@register(deploy=True)
def check_pgvector(**_: Any) -> list[CheckMessage]:
    """The server of a gallery in PostgreSQL must have pgvector."""
    if settings.GALLERY != parity.PGVECTOR or connection.vendor != "postgresql":
        return []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_available_extensions WHERE name = 'vector'")
            if cursor.fetchone() is not None:
                return []
    except DatabaseError:
        # That the database does not answer is told by others.
        return []
    return [
        Error(
            "FACEWATCH_GALLERY is pgvector, and this PostgreSQL has no pgvector.",
            hint="Install it on the server (Debian: postgresql-18-pgvector), or set FACEWATCH_GALLERY=exact.",
            id="recognition.E005",
        )
    ]
