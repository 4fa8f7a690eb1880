"""The chore and the checks of the composition root; read when Django starts."""

from facewatch import checks, leftovers
from ledger import kinds

__all__ = ["checks"]

kinds.CHORES["temporary files removed"] = leftovers.remove_leftovers
