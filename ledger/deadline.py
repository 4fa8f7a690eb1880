"""The end of a worker process that overruns its lease.

It is the kernel's alarm with its default action, so neither native code that never returns nor Python's lock can hold
it up; the consumer starts another process in its place. A row is therefore never worked on by two processes at once,
unless one of them was stopped and continued, and then its token is not valid any more.
"""

import signal

_enforced = False


def enforce() -> None:
    """Let deadlines end this process from now on; called in worker processes, and nowhere else."""
    global _enforced  # noqa: PLW0603 (a fact about the process)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _enforced = True


def start(seconds: float) -> None:
    """End this process after so many seconds, unless `stop` or another `start` comes before."""
    if _enforced:
        signal.setitimer(signal.ITIMER_REAL, seconds)


def stop() -> None:
    """Take the deadline back."""
    if _enforced:
        signal.setitimer(signal.ITIMER_REAL, 0)
