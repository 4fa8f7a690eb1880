"""A worker that overruns its lease is ended by the kernel, whatever it is doing."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from ledger import deadline, leases
from recognition.models import Photo
from tests import make
from tests.installation import ROOT


def ending(code: str) -> int:
    """Run the code in a process of its own; return how that ended (minus the signal, if one ended it)."""
    program = f"import ctypes, time\nfrom ledger import deadline\n{code}"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, timeout=20, check=False
    ).returncode


def test_native_code_that_holds_python_s_lock_is_ended() -> None:
    began = time.monotonic()
    assert (
        ending("deadline.enforce(); deadline.start(0.1); ctypes.PyDLL(None).sleep(15)")
        == -signal.SIGALRM
    )
    assert time.monotonic() - began < 10


def test_a_loop_that_never_ends_is_ended() -> None:
    code = "deadline.enforce(); deadline.start(0.1)\nwhile True: pass"
    assert ending(code) == -signal.SIGALRM


def test_a_handler_left_by_somebody_does_not_save_it() -> None:
    code = (
        "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "deadline.enforce(); deadline.start(0.1); time.sleep(15)"
    )
    assert ending(code) == -signal.SIGALRM


@pytest.mark.parametrize(
    "code",
    [
        "deadline.enforce(); deadline.start(0.1); deadline.stop(); time.sleep(0.3)",
        "deadline.enforce(); deadline.start(0.1); deadline.start(9); time.sleep(0.3)",
        "deadline.start(0.1); time.sleep(0.3)",
        "deadline.enforce(); deadline.stop()",
    ],
    ids=["taken back", "started again", "not a worker", "never started"],
)
def test_who_is_in_time_is_left_alone(code: str) -> None:
    assert ending(code) == 0


@pytest.fixture
def enforced() -> Iterator[None]:
    """Our process as a worker's, which deadlines end; taken back long before one could."""
    deadline.enforce()
    yield
    deadline.stop()
    deadline._enforced = False


def stumble() -> None:
    raise ValueError


def seconds_left() -> float:
    return signal.getitimer(signal.ITIMER_REAL)[0]


@pytest.mark.django_db
@pytest.mark.usefixtures("enforced")
def test_the_deadline_is_the_lease_s_and_ends_with_the_work() -> None:
    photo = make.photo(stage="uploaded")
    lease = leases.claim(Photo, photo.pk, stage="uploaded")
    assert lease
    assert seconds_left() == pytest.approx(settings.LEASE_SECONDS, abs=5)
    with leases.held(lease):
        deadline.start(20)
        leases.move(lease, stage="detected")
        assert seconds_left() == pytest.approx(settings.LEASE_SECONDS, abs=5)
    assert seconds_left() == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("enforced")
def test_work_that_raises_takes_its_deadline_back() -> None:
    photo = make.photo(stage="uploaded")
    lease = leases.claim(Photo, photo.pk, stage="uploaded")
    assert lease
    with leases.held(lease):
        stumble()
    assert seconds_left() == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("enforced")
def test_who_is_not_given_the_row_has_no_deadline() -> None:
    photo = make.photo(stage="done")
    assert leases.claim(Photo, photo.pk, stage="uploaded") is None
    assert seconds_left() == 0
