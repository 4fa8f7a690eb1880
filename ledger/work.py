"""The ledger's own chore; read when Django starts."""

from ledger import kinds, workers

kinds.CHORES["workers forgotten"] = workers.forget_the_gone
