"""Processes that end with their parent, whatever ends it; runs a command so: `python -m ledger.processes COMMAND…`."""

import ctypes
import os
import signal
import sys

#: prctl's PR_SET_PDEATHSIG (Linux): the signal that a process gets when its parent dies.
PR_SET_PDEATHSIG = 1
#: glibc's mallopt (malloc.h): above which size memory is asked of the kernel for each piece, and how much that is free
#: stays with the process. The first is the most that glibc takes.
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
LARGEST_KEPT = 32 * 2**20
KEPT = 128 * 2**20
#: How much a process that gives way adds to its nice value: it still runs at full speed while nobody else wants to.
NICENESS = 10


def die_with_parent(number: signal.Signals) -> None:
    """Ask the kernel to send this process a signal when its parent dies; where that is unknown, nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def give_way() -> None:
    """Let the other processes of this session go first from now on."""
    os.nice(NICENESS)


def keep_memory() -> None:
    """Let this process reuse what it frees, up to KEPT bytes, instead of handing it back and asking for it again.

    A large photo takes some pieces of 16 to 36 MB, and getting them from the kernel, page by page, takes as long as
    decoding it. Pieces of more than LARGEST_KEPT always go back. Where the C library is another one, nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)


if __name__ == "__main__":
    die_with_parent(signal.SIGTERM)
    # The parent's id is given, because it may have died before the kernel was asked.
    parent, *command = sys.argv[1:]
    if os.getppid() != int(parent):
        sys.exit("The supervisor died before its child started.")
    os.execv(command[0], command)
