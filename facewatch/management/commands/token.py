"""manage.py token: a fresh token for the API."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from knox.models import AuthToken

from facewatch.roles import ROLES, ensure_roles


class Command(BaseCommand):
    help = "Print a fresh API token of a user on standard output, and nothing else. It does not expire."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The user's name.")
        parser.add_argument(
            "--create",
            metavar="ROLE",
            help=f"Make the user, without a password, if missing, and give the role: {', '.join(ROLES)}.",
        )

    def handle(self, *, user: str, create: str | None = None, **_: Any) -> None:
        if create is not None and create not in ROLES:
            raise CommandError(f"There is no role {create!r}. Choose one of: {', '.join(ROLES)}.")
        with transaction.atomic():
            owner = self._create(user, role=create) if create else self._find(user)
            if not owner.is_active:
                raise CommandError(f"{user} is inactive: a token would open nothing.")
            _, token = AuthToken.objects.create(user=owner)
        self.stdout.write(token)

    def _find(self, name: str) -> Any:
        users = get_user_model()
        try:
            return users.objects.get_by_natural_key(name)
        except users.DoesNotExist as error:
            raise CommandError(
                f"There is no user {name!r}. Add --create ROLE to make one ({', '.join(ROLES)})."
            ) from error

    def _create(self, name: str, *, role: str) -> Any:
        users: Any = get_user_model()
        if not Group.objects.filter(name=role).exists():
            ensure_roles()
        owner = users.objects.filter(username=name).first() or users.objects.create_user(name)
        owner.groups.add(Group.objects.get(name=role))
        return owner
