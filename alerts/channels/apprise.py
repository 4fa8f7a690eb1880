"""Alerts over Apprise, to any of the services that it knows and the settings allow."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from alerts.channels import Notice, Temporary, Undeliverable, letters

#: Characters of a message: the least that a common service takes (https://appriseit.com/).
LONGEST_BODY = 1000


class AppriseChannel:
    """The channel: one short message to one Apprise URL, of a scheme that FACEWATCH_APPRISE_SCHEMES allows."""

    def __init__(self) -> None:
        self._title = self._body = ""
        self._sender: Any = None

    def open(self, notice: Notice) -> None:
        check_target(notice.target)
        # Imported when it is needed: it loads a hundred services.
        from apprise import Apprise  # noqa: PLC0415

        self._sender = Apprise()
        if not self._sender.add(notice.target):
            raise Undeliverable("Apprise cannot make sense of this URL.", code="bad_address")
        self._title, self._body = summarise(notice)

    def send(self) -> None:
        if not self._sender.notify(title=self._title, body=self._body):
            # It tells no reason; its services answer before they tell anybody.
            raise Temporary("The service did not take it; its log says more.", code="not_taken")

    def close(self) -> None:
        """Do nothing: there is no connection to give back."""


def check_target(target: str) -> None:
    """Raise Undeliverable unless the URL is of an allowed scheme."""
    scheme = target.partition("://")[0].lower()
    if scheme not in settings.APPRISE_SCHEMES or "://" not in target:
        allowed = ", ".join(settings.APPRISE_SCHEMES) or _("none")
        raise Undeliverable(
            _("Apprise may use these schemes here: %s.") % allowed, code="scheme_not_allowed"
        )


def mask(target: str) -> str:
    """Return an Apprise URL without what is secret in it: its scheme alone."""
    return f"{target.partition('://')[0]}://…"


def summarise(notice: Notice) -> tuple[str, str]:
    """Return a title and a short text with links behind the sign-in."""
    facts = letters.describe_notice(notice)
    lines = [
        f"{entry.title} ({entry.explanation}) {entry.alert_url}"
        for section in facts["sections"]
        for group in section.groups
        for entry in group.entries
    ]
    body = "\n".join(lines) or facts["subject"]
    return facts["subject"], body if len(body) <= LONGEST_BODY else f"{body[: LONGEST_BODY - 1]}…"
