"""What pages follow of the work, as short texts that change when what is shown changes."""

import hashlib
import json
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ledger import backlog, kinds, pauses, workers
from ledger.models import Work

#: The version of what is no longer there, or must not be seen any more; `live.js` knows it.
GONE = "gone"
#: Rows that are counted at the most. Where there are more, pages are kept fresh by the clock instead.
MOST_COUNTED = 2000
#: Seconds between two versions by the clock.
TICK_SECONDS = 5


def queue(user: Any) -> str:
    """Return the version of the state of all work: what waits of each model, who is at it, and what is paused.

    Every page that shows it asks each second: it takes 5 ms, however many rows there are. Ages are left out.
    """
    if not user.is_authenticated:
        return GONE
    models = dict.fromkeys(kind.model for kind in kinds.KINDS)
    state = [_state(model) for model in models]
    people = [(worker["name"], worker["doing"]) for worker in workers.alive()]
    paused = [(one.subject, str(one.since)) for one in pauses.paused()]
    return hashlib.sha256(json.dumps([state, people, paused]).encode()).hexdigest()[:16]


def _state(model: type[Work]) -> list[int]:
    """Return how many rows wait in each stage, have failed, and were done lately.

    Who holds them is left out, which no index tells: it changes with what the workers say that they do.
    """
    rows = model._default_manager.order_by()
    stages = (*model.OPEN_STAGES, model.FAILED)
    counts = [_count(rows.filter(stage=stage)) for stage in stages]
    if MOST_COUNTED in counts:
        counts.append(int(timezone.now().timestamp() // TICK_SECONDS))
    return [*counts, kinds.finished_since(model, seconds=backlog.RATE_SECONDS)]


def _count(rows: "QuerySet[Any]") -> int:
    return rows.values("stage")[:MOST_COUNTED].count()
