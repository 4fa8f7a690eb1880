"""System checks: what is set up wrongly, said before anything runs."""

import ipaddress
from typing import Any

from django.conf import settings
from django.core.checks import Error, register

from alerts.sending import AT_LEAST_ONCE, AT_MOST_ONCE


@register
def check_guarantee(**_: Any) -> list[Error]:
    """FACEWATCH_MAIL_GUARANTEE must be one of the two that there are."""
    if settings.MAIL_GUARANTEE in (AT_MOST_ONCE, AT_LEAST_ONCE):
        return []
    return [
        Error(
            f"FACEWATCH_MAIL_GUARANTEE cannot be {settings.MAIL_GUARANTEE!r}.",
            hint=f"Set it to {AT_MOST_ONCE} or {AT_LEAST_ONCE}.",
            id="alerts.E001",
        )
    ]


@register
def check_networks(**_: Any) -> list[Error]:
    """FACEWATCH_WEBHOOK_NETWORKS must name networks."""
    errors = []
    for name in settings.WEBHOOK_NETWORKS:
        try:
            ipaddress.ip_network(name)
        except ValueError as error:
            errors.append(
                Error(
                    f"FACEWATCH_WEBHOOK_NETWORKS names no network: {error}.",
                    hint="Write networks such as 10.1.0.0/16, with commas between them.",
                    id="alerts.E002",
                )
            )
    return errors
