"""What is paused: the intake, or the work on one stage of one kind of rows.

A pause is a row, so that it outlives every process and holds in all of them at once. It keeps work from being begun;
what is under way is finished.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, Q
from django.utils.translation import gettext_lazy as _lazy

from ledger.models import Pause, Work

#: The subject of taking in more.
INTAKE = "intake"
#: What each subject that can be paused is called, in the order of the work; stages join it when they are registered.
NAMES: dict[str, Any] = {INTAKE: _lazy("Intake")}


@dataclass(frozen=True, kw_only=True)
class Paused:
    """What is paused, in words, since when, by whom (empty if that user is gone), and why (empty if not said)."""

    subject: str
    name: str
    since: datetime
    by: str
    reason: str


def subject_of(model: type[Work], stage: str) -> str:
    """Return the subject of the work on one stage of a model, such as `photo:uploaded`."""
    return f"{model._meta.model_name}:{stage}"


def running(subject: str) -> Q:
    """Return what holds, of any row, while the subject is not paused; decided within the statement that asks."""
    return ~Q(Exists(Pause.objects.filter(subject=subject)))


def is_paused(subject: str) -> bool:
    """Return whether a subject is paused; one query."""
    return Pause.objects.filter(subject=subject).exists()


def find(subject: str) -> Pause | None:
    """Return the pause of a subject, None while it runs; one query."""
    return Pause.objects.filter(subject=subject).first()


def paused() -> list[Paused]:
    """Return all that is paused, in the order of the work; one query."""
    order = list(NAMES)
    found = Pause.objects.filter(subject__in=order).select_related("paused_by")
    return [
        Paused(
            subject=pause.subject,
            name=str(NAMES[pause.subject]),
            since=pause.paused_at,
            by=pause.paused_by.get_username() if pause.paused_by else "",
            reason=pause.reason,
        )
        for pause in sorted(found, key=lambda pause: order.index(pause.subject))
    ]


def pause(subject: str, *, by: Any, reason: str = "") -> bool:
    """Pause a subject; False if it was paused already, and then nothing changes."""
    _, created = Pause.objects.get_or_create(
        subject=subject, defaults={"paused_by": by, "reason": reason}
    )
    return created


def lift(subject: str) -> bool:
    """End the pause of a subject; False if there is none. What waits is woken by `ledger.controls.resume`."""
    return bool(Pause.objects.filter(subject=subject).delete()[0])
