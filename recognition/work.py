"""What recognition has to do, made known to the ledger; read when Django starts."""

from ledger import kinds
from recognition import checks, orphans, photos, searches, tasks
from recognition.models import Photo, Search

__all__ = ["checks"]

for _stage, _task in tasks.NEXT_TASK.items():
    kinds.register(model=Photo, stage=_stage, task=_task)
kinds.register(model=Search, stage=Search.Stage.ASKED, task=tasks.answer_search)
kinds.CHORES["photos published"] = photos.publish_the_unheard
kinds.CHORES["searches forgotten"] = searches.forget_the_unheard
kinds.CHORES["files removed"] = orphans.remove_orphans
