"""Alerts over Apprise, to any of the services that it knows and the settings allow."""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from alerts.channels import Notice, Undeliverable, Unsure, letters

#: Seconds before each further attempt, where one is made: some of those told may hear it again each time.
WAITS = (60.0, 300.0, 1800.0, 7200.0)
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

        # As one URL: `add` would take a text with commas or spaces for several.
        self._sender = Apprise.instantiate(notice.target)
        if not self._sender:
            raise Undeliverable("Apprise cannot make sense of this URL.", code="bad_address")
        if len(self._sender) > 1:
            # Of those that a URL names together it does not say who was told.
            raise Undeliverable("Subscribe each target by a URL of its own.", code="many_targets")
        self._title, self._body = summarise(notice)

    def send(self) -> None:
        if not self._sender.notify(title=self._title, body=self._body):
            # It tells no reason: refused, or told and not answered.
            raise Unsure("The service did not say that it took it.", code="not_taken")

    def close(self) -> None:
        """Do nothing: there is no connection to give back."""


def check_target(target: str) -> None:
    """Raise Undeliverable unless it is one URL of an allowed scheme."""
    scheme = target.partition("://")[0].lower()
    if scheme not in settings.APPRISE_SCHEMES or "://" not in target:
        allowed = ", ".join(settings.APPRISE_SCHEMES) or _("none")
        raise Undeliverable(
            _("Apprise may use these schemes here: %s.") % allowed, code="scheme_not_allowed"
        )
    if any(c.isspace() or not c.isprintable() for c in target) or target.count("://") > 1:
        raise Undeliverable(_("Give one URL, without spaces."), code="bad_address")


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
