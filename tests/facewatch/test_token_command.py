"""manage.py token prints a token, and nothing else."""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from tests import make

pytestmark = pytest.mark.django_db


def token(*arguments: str) -> str:
    out, err = StringIO(), StringIO()
    call_command("token", *arguments, stdout=out, stderr=err)
    assert err.getvalue() == ""
    (line,) = out.getvalue().splitlines()
    return line


def status_with(text: str, path: str = "/api/v1/photos/") -> int:
    return int(APIClient(headers={"Authorization": f"Token {text}"}).get(path).status_code)


def test_each_call_prints_a_fresh_token_that_works() -> None:
    make.user("kim")
    first, second = token("kim"), token("kim")
    assert first != second
    assert status_with(first) == status_with(second) == 200


def test_create_makes_the_user_without_a_password_and_the_missing_roles() -> None:
    Group.objects.all().delete()
    assert status_with(token("cam", "--create", "operator"), "/api/v1/alerts/") == 200
    user = get_user_model().objects.get(username="cam")
    assert not user.has_usable_password()
    assert [group.name for group in user.groups.all()] == ["operator"]


def test_create_keeps_the_user_that_is_there() -> None:
    made = make.user("kim", role="uploader")
    token("kim", "--create", "manager")
    user = get_user_model().objects.get(username="kim")
    assert (user.pk, user.has_usable_password()) == (made.pk, True)
    assert {group.name for group in user.groups.all()} == {"uploader", "manager"}


def test_an_unknown_user_is_refused_with_what_to_do() -> None:
    with pytest.raises(CommandError, match=r"no user 'kim'.*--create ROLE") as caught:
        token("kim")
    assert caught.value.returncode == 1


def test_an_unknown_role_lists_the_roles() -> None:
    with pytest.raises(CommandError, match="uploader, operator, manager"):
        token("kim", "--create", "king")
    assert not get_user_model().objects.exists()


def test_an_inactive_user_gets_none() -> None:
    make.user("kim", is_active=False)
    with pytest.raises(CommandError, match="inactive"):
        token("kim")
