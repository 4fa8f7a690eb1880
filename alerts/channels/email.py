"""Alerts by e-mail, over Django's mail back ends: SMTP, files, or whatever the settings name."""

import smtplib
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends import smtp
from django.core.mail.backends.base import BaseEmailBackend
from django.core.validators import validate_email

from alerts.channels import (
    ChannelError,
    HungUp,
    Notice,
    Permanent,
    Temporary,
    Undeliverable,
    Unreachable,
    Unsure,
    letters,
)
from ledger import leases

#: The back end that an EMAIL_URL of smtp:// stands for.
DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"
#: Longest text of a server that is kept.
LONGEST_ANSWER = 500


class _Marked:
    """Remembers whether DATA was begun: before, a lost connection has told nobody anything."""

    data_begun = False

    def data(self, msg: Any) -> Any:
        self.data_begun = True
        return super().data(msg)  # type: ignore[misc]  # of the SMTP class beside this one


class _Smtp(_Marked, smtplib.SMTP):
    pass


class _SmtpOverTls(_Marked, smtplib.SMTP_SSL):
    pass


class SmtpBackend(smtp.EmailBackend):
    """Django's, which greets the server when it opens, and whose connection knows whether a message was begun."""

    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpOverTls if self.use_ssl else _Smtp

    def open(self) -> bool | None:
        opened = super().open()
        if self.connection:
            self.connection.ehlo_or_helo_if_needed()
        return opened


class Email:
    """The channel: one mail to one address."""

    def __init__(self) -> None:
        # Django's own SMTP back end does not tell how far it came.
        ours = settings.EMAIL_BACKEND == DJANGO_SMTP
        self._backend: BaseEmailBackend = SmtpBackend() if ours else get_connection()
        self._mail = EmailMultiAlternatives()

    def open(self, notice: Notice) -> None:
        try:
            validate_email(notice.target)
        except ValidationError as error:
            raise Undeliverable("This is not an e-mail address.", code="bad_address") from error
        self._mail = letters.compose(notice)
        try:
            self._backend.open()
        except smtplib.SMTPResponseException as error:
            # Also a refused password: it says nothing about this mail, and may be put right meanwhile.
            raise Unreachable(_text(error.smtp_error), code=f"smtp_{error.smtp_code}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unreachable(
                f"The mail server cannot be reached: {error}", code="no_server"
            ) from error

    def send(self) -> None:
        try:
            self._backend.send_messages([self._mail])
        except smtplib.SMTPRecipientsRefused as error:
            code, answer = next(iter(error.recipients.values()))
            raise self._refusal(code, answer) from error
        except smtplib.SMTPResponseException as error:
            raise self._refusal(error.smtp_code, error.smtp_error) from error
        except Exception as error:  # each back end raises its own kinds
            if isinstance(error, OSError) and error.errno in leases.NO_ROOM:
                # Of the back end that writes files, whole or not at all.
                raise Unreachable("The disk for the mails is full.", code="disk_full") from error
            raise self._lost(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        with suppress(Exception):
            self._backend.close()

    def _refusal(self, code: int, answer: bytes | str) -> ChannelError:
        """Return the error of an SMTP answer: 5xx for good, 4xx for now, anything else is no answer."""
        kinds = {4: Temporary, 5: Permanent}
        if kind := kinds.get(code // 100):
            return kind(_text(answer), code=f"smtp_{code}")
        return self._lost(f"The mail server answered {code} {_text(answer)}")

    def _lost(self, detail: str) -> ChannelError:
        """Return the error of a conversation that ended without an answer."""
        connection = getattr(self._backend, "connection", None)
        if isinstance(connection, _Marked) and not connection.data_begun:
            return HungUp(detail, code="hung_up")
        return Unsure(detail, code="no_answer")


def _text(answer: bytes | str) -> str:
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return text[:LONGEST_ANSWER]
