"""The ledger's own chores; read when Django starts."""

from ledger import history, kinds, workers

kinds.CHORES["workers forgotten"] = workers.forget_the_gone
kinds.CHORES["minutes made up for"] = history.record_minutes
