"""What alerts have to do, made known to the ledger and to recognition; read when Django starts."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _lazy

from alerts import canary, checks, deliveries, digests, tasks
from alerts.masking import mask
from alerts.models import Delivery, Digest, Outgoing
from ledger import exhibits, kinds
from ledger.exhibits import Exhibit, Remedy
from recognition.events import photo_recognised

__all__ = ["checks"]

Stage = Outgoing.Stage


def row_address(model: str, pk: Any, user: Any) -> str:
    """Return the address of a row in the admin, if the user has a place there."""
    may_look = user.is_staff and user.has_perm(f"alerts.view_{model}")
    return reverse(f"admin:alerts_{model}_change", args=[pk]) if may_look else ""


def list_address(model: str, stage: str, user: Any) -> str:
    """Return the address of the rows in a stage in the admin, if the user has a place there."""
    if not (user.is_staff and user.has_perm(f"alerts.view_{model}")):
        return ""
    return reverse(f"admin:alerts_{model}_changelist") + (f"?stage={stage}" if stage else "")


def remedy(permission: str, apply: Callable[[Any], int]) -> Remedy:
    """Return that staff has it sent again, knowing that it may come twice."""
    return Remedy(
        one=_lazy("Send again"),
        chosen=_lazy("Send the chosen again"),
        every=_lazy("Send all again"),
        permission=permission,
        apply=apply,
        warning=_lazy("What did arrive comes twice then: ask the recipient first."),
    )


kinds.register(
    model=Delivery, stage=Stage.PENDING, task=tasks.deliver, name=_lazy("Sending at once")
)
kinds.register(model=Digest, stage=Stage.PENDING, task=tasks.send_digest, name=_lazy("Digests"))
kinds.CHORES["deliveries of unknown end"] = deliveries.give_up_the_expired
kinds.CHORES["digests of unknown end"] = digests.give_up_the_expired
kinds.CHORES["deliveries settled with their digest"] = digests.bring_along
kinds.CHORES["canaries that came to an end"] = canary.keep
photo_recognised.connect(tasks.hear_of_photo, dispatch_uid="alerts")
exhibits.register(
    Exhibit(
        model=Delivery,
        title=_lazy("Deliveries"),
        done=Stage.SENT,
        bad=(Stage.FAILED, Stage.UNKNOWN),
        rows=deliveries.not_told,
        row_name=lambda delivery: mask(delivery.channel, delivery.target),
        row_address=partial(row_address, "delivery"),
        list_address=partial(list_address, "delivery"),
        remedy=remedy("alerts.change_delivery", deliveries.send_all_again),
        counted=((Stage.BATCHED, Stage.PENDING, Stage.SENDING), (Stage.FAILED, Stage.UNKNOWN)),
        counted_of_late=(Stage.SENT, Stage.DROPPED),
    )
)
exhibits.register(
    Exhibit(
        model=Digest,
        title=_lazy("Digests"),
        done=Stage.SENT,
        bad=(Stage.FAILED, Stage.UNKNOWN),
        rows=Digest.objects.all,
        row_name=lambda digest: mask(digest.channel, digest.recipient),
        row_address=partial(row_address, "digest"),
        list_address=partial(list_address, "digest"),
        remedy=remedy("alerts.change_digest", digests.send_all_again),
        counted=((Stage.PENDING, Stage.SENDING), (Stage.FAILED, Stage.UNKNOWN)),
        counted_of_late=(Stage.SENT, Stage.DROPPED),
    )
)
