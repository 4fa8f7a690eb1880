"""Hosts on one machine: network namespaces of Linux with names of their own, on a bridge whose cables can be cut.

They are this process's alone, live as long as the processes in them, and end with this one, whatever ends it. It takes
root, or CAP_SYS_ADMIN and CAP_NET_ADMIN, and the programs ip, unshare and nsenter.
"""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import IO

from tests.installation import ROOT

#: What this process's own namespace, the middle of it all, is reached at, and the network of it.
CORE = ip_interface("10.213.0.1/24")
BRIDGE = "bridge0"
#: unshare(2): a network, and a host name, of one's own.
CLONE_NEWNET, CLONE_NEWUTS = 0x40000000, 0x04000000
#: Seconds in which a program must end that is told to: more than a consumer gives its tasks.
GRACE_SECONDS = 30
#: Ways to cut a host off: its cable is pulled out of the bridge; its network card is switched off; or all that it
#: sends, and all that is sent to it, vanishes.
CUTS = ("cable", "card", "silence")


class Impossible(Exception):
    """There can be no hosts on this machine; the text says why."""


def why_not() -> str:
    """Return why there can be no hosts here; nothing if there can."""
    missing = [name for name in ("ip", "unshare", "nsenter") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    trial = ["unshare", "--net", "--uts", "ip", "link", "add", "port0", "type", "veth"]
    done = subprocess.run(trial, capture_output=True, text=True, check=False)
    reason = done.stderr.strip().splitlines() or ["no reason given"]
    return f"no network namespaces here ({reason[-1]})" if done.returncode else ""


def enter_the_core() -> None:
    """Move this process, which must have one thread yet, into an empty network with a bridge. Raises Impossible."""
    if reason := why_not():
        raise Impossible(reason)
    if ctypes.CDLL(None).unshare(CLONE_NEWNET | CLONE_NEWUTS):
        raise Impossible("this process may not leave its network")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", str(CORE), "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


class Host:
    """One host beside the core; what is started on it ends with it."""

    def __init__(self, name: str, *, number: int) -> None:
        self.name = name
        self._port = f"port{number}"
        self._programs: list[subprocess.Popen[str]] = []
        shell = f"hostname {name} && echo ready && exec sleep infinity"
        self._holder = subprocess.Popen(
            _ending_with_us(["unshare", "--net", "--uts", "sh", "-c", shell]),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        peer = ("peer", "name", "eth0", "netns", str(self._holder.pid))
        run("ip", "link", "add", self._port, "type", "veth", *peer)
        self.run("ip", "link", "set", "lo", "up")
        address = f"{CORE.ip + number}/{CORE.network.prefixlen}"
        self.run("ip", "address", "add", address, "dev", "eth0")
        self.heal()

    def run(self, *command: str) -> None:
        """Run a program here, to its end."""
        run(*self._nsenter, *command)

    def start(
        self, *command: str, environment: Mapping[str, str], output: int | IO[str]
    ) -> "subprocess.Popen[str]":
        """Start a program of this checkout here; what it writes goes to a file, or to a pipe."""
        program = subprocess.Popen(
            _ending_with_us([*self._nsenter, *command]),
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=None if output == subprocess.PIPE else subprocess.STDOUT,
            text=True,
        )
        self._programs.append(program)
        return program

    def cut(self, how: str) -> None:
        """Cut it off, in one of the ways of CUTS."""
        if how == "cable":
            run("ip", "link", "set", self._port, "down")
        elif how == "card":
            self.run("ip", "link", "set", "eth0", "down")
        else:
            run("ip", "link", "set", self._port, "nomaster")

    def heal(self) -> None:
        """Join it to the others, however it was cut off."""
        run("ip", "link", "set", self._port, "master", BRIDGE)
        run("ip", "link", "set", self._port, "up")
        self.run("ip", "link", "set", "eth0", "up")

    def stop(self) -> None:
        """End what was started here in order, or else by force, and the host."""
        self.heal()
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            try:
                program.communicate(timeout=GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                program.kill()
                program.communicate()
        self._holder.terminate()
        self._holder.communicate(timeout=10)

    @property
    def _nsenter(self) -> list[str]:
        return ["nsenter", "--target", str(self._holder.pid), "--net", "--uts", "--"]


def run(*command: str) -> None:
    """Run a program to its end, which must be a good one."""
    subprocess.run(command, check=True, timeout=20)


def _ending_with_us(command: list[str]) -> list[str]:
    """Return a command that ends with this process, whatever ends that."""
    program = shutil.which(command[0])
    assert program is not None
    return [sys.executable, "-m", "ledger.processes", str(os.getpid()), program, *command[1:]]
