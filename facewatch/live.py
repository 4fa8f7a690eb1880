"""What an open page follows: topics, each with a version that changes when what the page shows of it does.

A topic is `photo:ID`, `person:ID`, `batch:ID`, `look_back:ID` (of the person), `alert:ID`, or one of `photos` (a new
upload), `alerts` (those that wait) and `queue`. A page holds the version that it shows of each; when another one comes,
it asks for that part again.
So nothing is missed between the making of a page and the opening of its stream.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from alerts import live as alerts_live
from ledger import live as ledger_live
from recognition import live as recognition_live

#: Topics that one page may follow; a longer list is cut.
MOST_TOPICS = 120

#: Of things with an id, several of which are asked for at once.
MANY: dict[str, Callable[[Any, Iterable[str]], Mapping[str, str]]] = {
    "photo": recognition_live.photos,
    "person": recognition_live.people,
    "batch": recognition_live.batches,
    "look_back": recognition_live.look_backs,
    "alert": alerts_live.alerts,
}
#: Of what there is one of.
ONE: dict[str, Callable[[Any], str]] = {
    "photos": recognition_live.newest_upload,
    "alerts": alerts_live.waiting,
    "queue": ledger_live.queue,
}


def known_topics(asked: Iterable[str]) -> list[str]:
    """Return the topics among these texts, each once, MOST_TOPICS at the most."""
    return [topic for topic in dict.fromkeys(asked) if _is_topic(topic)][:MOST_TOPICS]


def versions(topics: Iterable[str], *, user: Any) -> dict[str, str]:
    """Return the version of each topic as this user may see it: a few queries a kind, however many there are."""
    found: dict[str, str] = {}
    keys: dict[str, list[str]] = {}
    for topic in topics:
        kind, _, key = topic.partition(":")
        if key:
            keys.setdefault(kind, []).append(key)
        else:
            found[topic] = ONE[kind](user)
    for kind, wanted in keys.items():
        found |= {f"{kind}:{key}": version for key, version in MANY[kind](user, wanted).items()}
    return found


def _is_topic(text: str) -> bool:
    kind, _, key = text.partition(":")
    if not key:
        return text in ONE
    try:
        # In one spelling alone, which is the one that answers are found by.
        return kind in MANY and str(uuid.UUID(key)) == key
    except ValueError:
        return False
