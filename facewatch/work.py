"""The chore of the composition root; read when Django starts."""

from facewatch import leftovers
from ledger import kinds

kinds.CHORES["temporary files removed"] = leftovers.remove_leftovers
