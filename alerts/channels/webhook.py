"""Alerts to programs: signed requests after the Standard Webhooks specification 1.0 (https://www.standardwebhooks.com).

A message says what happened to which alert and where to read it, no name and no picture. It is signed with the
subscription's secret, and for a day after a change with the one before as well. The same message has the same id each
time that it is sent, so that a receiver knows a repetition.
"""

import json
import secrets
import threading
import uuid
from base64 import b64encode
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus

import requests
import urllib3
from django.conf import settings
from django.utils import timezone
from standardwebhooks.webhooks import Webhook as Signer

from alerts import feed
from alerts.channels import Busy, HungUp, Notice, Temporary, Undeliverable, guarded
from alerts.channels.guarded import Forbidden, Gone, InvalidIPAddress
from alerts.models import Subscription

#: Seconds before each further attempt, as the specification advises: in all about four days.
WAITS = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
#: Seconds for a connection and for each answer, and for all of it together.
TIMEOUT, LONGEST = (5.0, 10.0), 15.0
#: Bytes of an answer that are kept for the log.
LONGEST_ANSWER = 300
#: For how long a message is also signed with the secret before the one in force.
OVERLAP = timedelta(days=1)
#: Answers that are a success: 200 to 299.
SUCCESS = range(200, 300)
#: Answers that ask for patience, and the most seconds of it that are given.
BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
MOST_PATIENCE = 3600.0


def new_secret() -> str:
    """Return a fresh secret: 32 random bytes, as the specification writes them."""
    return f"whsec_{b64encode(secrets.token_bytes(32)).decode()}"


class Webhook:
    """The channel: one request to one URL."""

    def __init__(self) -> None:
        self._session = guarded.session(settings.WEBHOOK_NETWORKS, timeout=TIMEOUT)
        self._url = self._body = ""
        self._headers: dict[str, str] = {}

    def open(self, notice: Notice) -> None:
        (delivery,) = notice.deliveries
        self._url = notice.target
        self._body = json.dumps(
            feed.describe(delivery.alert, event=delivery.event, kind=delivery.kind)
        )
        self._headers = sign(
            self._body, message_id=message_id(notice.id), subscription=delivery.subscription
        )

    def send(self) -> None:
        # No read stops a server that sends a byte now and then; this does.
        over = threading.Timer(LONGEST, self._session.hang_up)
        over.start()
        try:
            with self._session.post(
                self._url, data=self._body.encode(), headers=self._headers, stream=True
            ) as answer:
                if self._session.was_hung_up:
                    raise HungUp("The server took too long to answer.", code="no_answer")
                self._judge(answer)
        except (InvalidIPAddress, Forbidden) as error:
            raise Undeliverable(
                "Webhooks may not be sent to this address.", code="forbidden_address"
            ) from error
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise Undeliverable("This is no URL of a webhook.", code="bad_address") from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            OSError,
            ValueError,
        ) as error:
            detail = f"The server gave no answer ({type(error).__name__})."
            raise HungUp(detail, code="no_answer") from error
        finally:
            over.cancel()

    def close(self) -> None:
        with suppress(Exception):
            self._session.close()

    def _judge(self, answer: requests.Response) -> None:
        """Raise what an answer means; a redirection is never followed, and is no success."""
        if answer.status_code in SUCCESS:
            return
        text = ""
        # What it says is for the log; the status says what to do, also if the rest never comes.
        with suppress(Exception):
            text = answer.raw.read(LONGEST_ANSWER, decode_content=False).decode(errors="replace")
        detail = f"The server answered {answer.status_code}: {text}".rstrip(": ")
        code = f"http_{answer.status_code}"
        if answer.status_code == HTTPStatus.GONE:
            raise Gone(detail, code=code)
        if answer.status_code in BUSY:
            raise Busy(detail, code=code, seconds=_patience(answer.headers.get("Retry-After", "")))
        raise Temporary(detail, code=code)


def origin(target: str) -> str:
    """Return scheme, host and port of a URL: what does not answer when one of its URLs does not."""
    try:
        parts = urllib3.util.parse_url(target)
    except urllib3.exceptions.HTTPError:
        return target
    return f"{parts.scheme}://{parts.netloc}"


def _patience(asked: str) -> float:
    """Return the seconds that a `Retry-After` asks for, within limits; 0 for a date or none."""
    return min(float(asked), MOST_PATIENCE) if asked.isascii() and asked.isdigit() else 0.0


def message_id(notice_id: uuid.UUID) -> str:
    """Return the `webhook-id` under which a notice is sent, each time that it is."""
    return f"msg_{notice_id}"


def sign(body: str, *, message_id: str, subscription: Subscription) -> dict[str, str]:
    """Return the headers of a message: its id, the time, and a signature for each secret in force."""
    now = timezone.now()
    keys = [subscription.secret]
    changed = subscription.secret_changed_at
    if subscription.previous_secret and changed and now < changed + OVERLAP:
        keys.append(subscription.previous_secret)
    signatures = (Signer(key).sign(msg_id=message_id, timestamp=now, data=body) for key in keys)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Facewatch",
        "Accept-Encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
