"""Leaving with one click: a signed name of a message says whose subscriptions end (RFC 8058)."""

import uuid

from django.core import signing
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from alerts.models import Delivery, Digest, Subscription

#: What the signature is for: one made for something else is none.
SALT = "alerts.unsubscribing"


def token(notice_id: uuid.UUID, *, is_digest: bool) -> str:
    """Return the signed name of a message, for its headers and its last line; it never expires."""
    kind = "digest" if is_digest else "delivery"
    return signing.Signer(salt=SALT).sign(f"{kind}.{notice_id}")


def subscriptions_of(signed: str) -> "QuerySet[Subscription]":
    """Return the subscriptions by which a message came, also those that ended. Raises signing.BadSignature."""
    kind, _dot, key = signing.Signer(salt=SALT).unsign(signed).partition(".")
    if kind == "delivery":
        told = Delivery.objects.filter(pk=key)
        return Subscription.objects.filter(deliveries__in=told).distinct()
    digest = Digest.objects.filter(pk=key).first()
    if digest is None:
        return Subscription.objects.none()
    theirs = Subscription.objects.filter(channel=digest.channel, target=digest.recipient)
    # Of this mode now, or told by this digest: staff may have changed the mode since.
    by_it = Delivery.objects.filter(digest=digest).values("subscription")
    found = theirs.filter(Q(mode=digest.mode) | Q(pk__in=by_it))
    return found if found.filter(is_active=True).exists() else theirs


def leave(subscriptions: "QuerySet[Subscription]") -> int:
    """End subscriptions at their recipient's wish; return how many were in force."""
    return subscriptions.model.objects.filter(
        pk__in=list(subscriptions.values_list("pk", flat=True)), is_active=True
    ).update(is_active=False, ended_because=_("The recipient unsubscribed."))
