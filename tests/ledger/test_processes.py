"""What a process asks of its kernel and of its C library."""

import subprocess
import sys

import pytest

from tests.installation import ROOT

#: Takes and frees 50 MB, twice, in pieces that would each be asked of the kernel; prints the page faults of the second.
USE_MEMORY_TWICE = """
import resource, sys
from ledger.processes import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    pieces = [b"x" * 2_000_000 for _ in range(25)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of a second use of memory that was freed."""
    command = [sys.executable, "-c", USE_MEMORY_TWICE, how]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_memory_that_is_kept_is_not_asked_for_again() -> None:
    kept, given_back = faults("keep"), faults("give back")
    # 50 MB are 12,200 pages.
    assert kept < 200
    assert given_back > 3000
