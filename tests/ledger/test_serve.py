"""The supervisor by itself, with parts that end as they please."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import serve
from ledger.serve import Part, Supervisor


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The supervisor takes signals over; the tests get theirs back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def part(code: str, *, name: str = "part") -> Part:
    return Part(name=name, command=[sys.executable, "-uc", code], grace_seconds=5)


def supervise(*parts: Part, until: Callable[[list[str]], bool], seconds: float = 20) -> list[str]:
    """Run the parts until what they said is enough, and everything has ended; return what was said."""
    said: list[str] = []
    deadline = time.monotonic() + seconds

    def enough() -> bool:
        if until(said) or time.monotonic() > deadline:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    Supervisor(parts, say=said.append, ready=enough).run(when_ready=lambda: None)
    assert until(said), said
    return said


def test_the_wait_doubles_up_to_a_limit_and_a_healthy_run_begins_anew() -> None:
    dying = part("")
    waits = []
    now = 1000.0
    for _ in range(8):
        dying.started_at = now
        now += 1
        waits.append(dying.back_off(now))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert dying.restart_at == now + 30
    dying.started_at = now
    assert dying.back_off(now + serve.HEALTHY_SECONDS + 1) == 1
    dying.started_at = now
    assert dying.back_off(now + 1) == 2


def test_the_log_says_which_part_ended_how_and_when_it_comes_back() -> None:
    said = supervise(
        part("import sys; print('cannot', flush=True); sys.exit(3)", name="worker"),
        part("import os; os.kill(os.getpid(), 9)", name="web"),
        until=lambda said: said.count("[worker] cannot") == 2,
    )
    assert "[serve] worker ended with status 3; starting it again in 1 s" in said
    assert "[serve] web ended by signal 9; starting it again in 1 s" in said
    assert not [line for line in said if "in 4 s" in line], "it came back too soon"


def test_what_a_part_that_ended_left_behind_is_gone() -> None:
    stray = "import time; print('stray', __import__('os').getpid(), flush=True); time.sleep(600)"
    dying = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, '-c', {stray!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), flush=True)
"""
    said = supervise(part(dying), until=lambda said: any("ended" in line for line in said))
    (pid,) = [int(line.split()[-1]) for line in said if "stray" in line]
    assert not lives(pid)


def test_a_part_that_cannot_be_started_is_tried_again_and_the_others_run_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        # As when the system has no process left to give: the interpreter of the parts is not there.
        patch.setattr(sys, "executable", "/nowhere/python")
        said = supervise(part(""), until=lambda said: len(said) >= 2)
    assert "part cannot be started" in said[0]
    assert said[0].endswith("trying again in 1 s")
    assert said[1].endswith("trying again in 2 s")


def test_a_part_that_does_not_end_is_killed_after_its_grace() -> None:
    deaf = part("import signal, time; signal.signal(15, signal.SIG_IGN); print(1); time.sleep(600)")
    deaf.grace_seconds = 0.5
    said = supervise(deaf, until=lambda said: "[part] 1" in said)
    assert said[-1] == "[serve] part did not end within 0.5 s; killed"
    assert deaf.process is not None
    assert deaf.process.returncode == -signal.SIGKILL


def test_a_second_signal_hurries_nothing() -> None:
    code = """
import signal, sys, time
signal.signal(15, lambda *_: (time.sleep(1), print('done', flush=True), sys.exit(0)))
print('up', flush=True)
time.sleep(600)
"""
    slow = part(code)
    # Comes while the part is ending.
    second = threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT])

    def signalled(said: list[str]) -> bool:
        if "[part] up" in said and second.ident is None:
            second.start()
        return second.ident is not None

    said = supervise(slow, until=signalled)
    assert not second.is_alive(), "the part ended too soon"
    assert slow.process is not None
    assert slow.process.returncode == 0
    assert said[1] == "[serve] stopping: no new requests, and what is under way ends"


def lives(pid: int) -> bool:
    """Whether it runs; what was killed may wait for its new parent to take notice, and has no command line then."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False
