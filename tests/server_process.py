"""The process of a server that tests start: waited for, killed, made to hang, and let go on."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


class ServerProcess:
    """Holds the process of one server, and after a start anew the new one. `log` is where it says why it ended."""

    def __init__(self, name: str, *, log: Path | None = None) -> None:
        self._name = name
        self._log = log
        self._held: subprocess.Popen[bytes] | None = None

    @property
    def _process(self) -> "subprocess.Popen[bytes]":
        assert self._held is not None, f"{self._name} was not started"
        return self._held

    def hold(self, process: "subprocess.Popen[bytes]") -> None:
        """Take over a process that was just started."""
        self._held = process

    def wait_for(
        self, answer: Callable[[], object], *, refusal: type[Exception], seconds: float
    ) -> None:
        """Return once `answer` returns instead of raising `refusal`; fail if the process ends or time is up before."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer()
            except refusal:
                assert self._process.poll() is None, f"{self._name} ended{self._last_words()}"
                assert time.monotonic() < deadline, f"{self._name} did not start"
                time.sleep(0.02)
            else:
                return

    def kill(self, number: signal.Signals = signal.SIGKILL, *, seconds: float = 10) -> None:
        """End the process by a signal; return once it is gone, which may take so long."""
        self._process.send_signal(number)
        self._process.wait(seconds)

    def hang(self) -> None:
        """Let it accept connections and answer none."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a process that hangs answer again."""
        self._process.send_signal(signal.SIGCONT)

    def _last_words(self) -> str:
        return f": {self._log.read_text()}" if self._log else ""
