"""What a target may be, by channel, and what of it may be shown."""

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from alerts import ways
from alerts.channels import Undeliverable, apprise
from alerts.masking import mask
from alerts.models import Subscription

Channel, Mode = Subscription.Channel, Subscription.Mode


def check(channel: str, target: str, *, mode: str, by: Any = None) -> None:
    """Raise ValidationError, by field, unless this channel is offered and may tell such a target in this mode.

    `by` is who asks; Apprise is for staff alone, because it speaks to whatever a URL names.
    """
    if channel not in ways.offered():
        raise ValidationError({"channel": _("This server does not offer that channel.")})
    if channel == Channel.EMAIL:
        _check(validate_email, target)
    elif channel == Channel.WEBHOOK:
        _check(_check_url, target)
        if mode not in (Mode.INSTANT, Mode.ESCALATION):
            raise ValidationError({"mode": _("A webhook is told at once.")})
    elif channel == Channel.APPRISE:
        if by is not None and not by.is_staff:
            raise ValidationError({"channel": _("Only staff may subscribe Apprise.")})
        try:
            apprise.check_target(target)
        except Undeliverable as error:
            raise ValidationError({"target": error.detail}) from error


def show(channel: str, target: str, *, to: Any, permission: str) -> str:
    """Return a target as a user may see it: whole with the permission, of Apprise as staff alone."""
    may = to.has_perm(permission) and (channel != Channel.APPRISE or to.is_staff)
    return target if may else mask(channel, target)


def _check(validate: Any, target: str) -> None:
    try:
        validate(target)
    except ValidationError as error:
        raise ValidationError({"target": error.messages}) from error


def _check_url(target: str) -> None:
    try:
        parts = urlsplit(target)
        is_fit = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        _port = parts.port
    except ValueError:
        is_fit = False
    if not is_fit or not target.isprintable() or " " in target:
        raise ValidationError(_("Give the URL of the receiver, https://…, without a password."))
