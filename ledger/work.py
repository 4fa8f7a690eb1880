"""The ledger's own chores; read when Django starts."""

from ledger import capacity, history, kinds, workers

kinds.CHORES["workers forgotten"] = workers.forget_the_gone
kinds.CHORES["measures forgotten"] = capacity.forget_the_old
kinds.CHORES["minutes made up for"] = history.record_minutes
