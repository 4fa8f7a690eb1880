"""The default mail back end: every mail becomes an .eml file that any mail program opens."""

import os
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


class EmlBackend(BaseEmailBackend):
    """Writes each mail whole or not at all into mail/ of the data folder, named by time so that the newest is last."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        folder = settings.MAIL_DIR
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for message in email_messages:
            name = f"{timezone.now():%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}.eml"
            draft = folder / f".{name}.part"
            # The stubs know Python's as_bytes, Django has one of its own.
            content = message.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]
            try:
                with draft.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(folder / name)
            except OSError:
                draft.unlink(missing_ok=True)
                raise
        return len(email_messages)
