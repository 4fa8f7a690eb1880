"""What staff does to the queue: letting go on what was paused, and trying again what failed.

Of what is ready then, the most urgent rows are woken at once, and the sweep wakes the rest.
"""

from collections.abc import Iterable
from typing import Any

from ledger import kinds, pauses, queues
from ledger.kinds import Kind
from ledger.models import Work

#: Rows of one stage that are woken at once, so that staff is answered soon.
MOST_WOKEN = 200


def resume(subject: str) -> bool:
    """Let a subject go on and wake what waited for it; False if it was not paused."""
    lifted = pauses.lift(subject)
    if lifted:
        wake(kind for kind in kinds.KINDS if kind.subject == subject)
    return lifted


def wake_model(model: type[Work]) -> None:
    """Wake the most urgent ready rows of each stage of a model."""
    wake(kind for kind in kinds.KINDS if kind.model is model)


def wake(wanted: Iterable[Kind]) -> None:
    """Wake the most urgent ready rows of each of these kinds, MOST_WOKEN of each at the most."""
    for kind in wanted:
        for pk, priority in _most_urgent(kind):
            queues.wake(kind.task, pk, priority=priority)


def _most_urgent(kind: Kind) -> Any:
    ready = kind.ready().order_by("-priority", "created_at")
    return ready.values_list("pk", "priority")[:MOST_WOKEN]
