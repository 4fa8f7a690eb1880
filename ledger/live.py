"""What pages follow of the work, as short texts that change when what is shown changes."""

import hashlib
import json
from typing import Any

from ledger import backlog, kinds, workers

#: The version of what must not be seen any more.
GONE = "gone"


def queue(user: Any) -> str:
    """Return the version of the state of all work: counts of each kind, and who is at it; ages are left out."""
    if not user.is_authenticated:
        return GONE
    models = dict.fromkeys(kind.model for kind in kinds.KINDS)
    state = {model.__name__: backlog.state(model) for model in models}
    for one in state.values():
        one.pop("eta_seconds")
        for stage in one["stages"].values():
            stage.pop("oldest_seconds")
    people = [(worker["name"], worker["doing"]) for worker in workers.alive()]
    return hashlib.sha256(json.dumps([state, people]).encode()).hexdigest()[:16]
