"""What alerts have to do, made known to the ledger and to recognition; read when Django starts."""

from alerts import checks, deliveries, digests, tasks
from alerts.models import Delivery, Digest
from ledger import kinds
from recognition.events import photo_recognised

__all__ = ["checks"]

kinds.register(model=Delivery, stage=Delivery.Stage.PENDING, task=tasks.deliver)
kinds.register(model=Digest, stage=Digest.Stage.PENDING, task=tasks.send_digest)
kinds.CHORES["deliveries of unknown end"] = deliveries.give_up_the_expired
kinds.CHORES["digests of unknown end"] = digests.give_up_the_expired
kinds.CHORES["deliveries settled with their digest"] = digests.bring_along
photo_recognised.connect(tasks.hear_of_photo, dispatch_uid="alerts")
