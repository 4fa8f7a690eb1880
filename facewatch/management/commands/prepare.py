"""manage.py prepare: make the data folder fit this version."""

import hashlib
from importlib.metadata import distributions
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from facewatch.moving import mirroring
from facewatch.roles import ensure_roles
from recognition import reembedding
from recognition.gallery import indexed, parity


class Command(BaseCommand):
    help = "Bring database, roles, first user and static files up to date; a second call changes nothing."

    def handle(self, **_: Any) -> None:
        # Django checks nothing of a command that another one calls, as `serve` does; its parts would fail one by one.
        self.check()
        if mirroring.is_unfinished(using="default"):
            raise CommandError(
                "The database of DATABASE_URL is an unfinished copy: call manage.py migrate-to again, with the old"
                " DATABASE_URL, until it says that both sides are equal."
            )
        call_command("migrate", verbosity=0, interactive=False)
        try:
            reembedding.check_gallery(settings.ENGINE)
        except reembedding.AnotherEngine as error:
            raise CommandError(str(error)) from error
        if settings.GALLERY == parity.PGVECTOR:
            self._prepare_gallery()
        elif connection.vendor == "postgresql":
            # Nobody would keep it up to date, nor take out who is forgotten.
            indexed.remove()
        ensure_roles()
        users = get_user_model().objects
        if not users.filter(is_superuser=True).exists():
            users.create_superuser("admin", email="", password=None)
        state = _static_state()
        stamp = settings.STATIC_ROOT / ".state"
        if not stamp.exists() or stamp.read_text() != state:
            self.stdout.write("Collecting static files …")
            call_command("collectstatic", verbosity=0, interactive=False, clear=True)
            stamp.write_text(state)

    def _prepare_gallery(self) -> None:
        try:
            indexed.prepare(settings.ENGINE, tell=self.stdout.write)
        except DatabaseError as error:
            raise CommandError(
                f"The gallery cannot be kept in this database ({str(error).splitlines()[0]}). Install pgvector on its"
                " server, let this user add it (CREATE EXTENSION vector), or set FACEWATCH_GALLERY=exact."
            ) from error


def _static_state() -> str:
    """Return a digest that changes when a package or one of our own static files does."""
    packages = sorted(f"{dist.name} {dist.version}" for dist in distributions())
    files = sorted(
        f"{path} {path.stat().st_mtime_ns}"
        for folder in settings.STATICFILES_DIRS
        for path in folder.rglob("*")
        if path.is_file()
    )
    return hashlib.sha256("\n".join(packages + files).encode()).hexdigest()
