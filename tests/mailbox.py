"""A real SMTP server on loopback, which can be told to misbehave."""

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.ports import free_port

OK = "250 OK"


@dataclass(kw_only=True)
class Mailbox:
    """What the server received, and how it is to answer."""

    controller: Any = None
    #: Answers to RCPT by address; "hang" gives none, and others are welcome.
    refusals: dict[str, str] = field(default_factory=dict)
    #: Answer to the message itself; "hang" and "drop" give none.
    answer: str = OK
    #: "drop": the connection ends at MAIL.
    greeting: str = OK
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    conversations: int = 0

    async def handle_MAIL(  # noqa: N802 (aiosmtpd calls it by this name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.conversations += 1
        if self.greeting == "drop":
            hang_up(server)
        envelope.mail_from = address
        return self.greeting

    async def handle_RCPT(  # noqa: N802 (aiosmtpd calls it by this name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        answer = self.refusals.get(address, OK)
        if answer == "hang":
            await asyncio.sleep(2)
        return answer

    async def handle_DATA(  # noqa: N802 (aiosmtpd calls it by this name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith(("250", "hang", "drop")):
            content = envelope.content
            assert isinstance(content, bytes)
            self.mails.append(message_from_bytes(content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
        if self.answer == "drop":
            hang_up(server)
        if self.answer == "hang":
            await asyncio.sleep(2)
        return self.answer

    def start(self, *, address: str = "127.0.0.1") -> "Mailbox":
        """Listen on a free port; `controller.port` says which."""
        self.controller = Controller(
            self, hostname=address, port=free_port(), authenticator=deny, auth_require_tls=False
        )
        self.controller.start()
        return self

    def stop(self) -> None:
        self.controller.stop(no_assert=True)


def hang_up(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


def deny(*_: Any) -> AuthResult:
    return AuthResult(success=False, handled=False)
