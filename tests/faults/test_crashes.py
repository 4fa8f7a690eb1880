"""A process is killed at each labelled place, and nothing is lost, doubled or left behind."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.databases import only_postgres
from tests.installation import ROOT, bare_environment
from tests.mailbox import Mailbox
from tests.postgres_server import PostgresServer
from tests.receiver import Receiver, receiving

#: Each crash point of the code, by the file that has it.
LABELS = {
    label: str(path.relative_to(ROOT))
    for package in ("alerts", "facewatch", "ledger", "recognition")
    for path in sorted((ROOT / package).rglob("*.py"))
    for label in re.findall(r'crashpoints\.reach\("([^"]+)"\)', path.read_text())
}
#: All of them on SQLite; on PostgreSQL and Redis those where a row and its wake-up, or its file, go together.
NEAR_THE_QUEUE = ("photo:", "lease:", "sweep:")
TRIED = [label for label in LABELS if not servers.ARE_USED or label.startswith(NEAR_THE_QUEUE)]
#: Just after something that does not wait for PostgreSQL's disk.
NOT_ON_THE_DISK = ("lease: claimed", "photo: detected", "photo: recognised")
MESSAGES = [label for label in LABELS if label.startswith("message:")]
#: Where nobody can know whether a mail was sent, and how many mails had been accepted for each such delivery.
MAYBE_TOLD = {"message: sending": [0], "message: handed over": [1]}
#: Hours between two crashes on the actor's clock: more than a day's events and the recovery take.
HOURS = 12


class Actor:
    """The process that lives through crashes; see `tests.faults.actor`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        mailbox: Mailbox,
        receiver: Receiver,
        engines: Mapping[str, str],
    ) -> None:
        environment = bare_environment() | {
            "FACEWATCH_DATA_DIR": str(data_dir),
            "FACEWATCH_LOG_LEVEL": "CRITICAL",
            "EMAIL_URL": f"smtp://127.0.0.1:{mailbox.controller.port}",
            "FACEWATCH_WEBHOOK_NETWORKS": "127.0.0.1/32",
            "HOOK_URL": receiver.url,
        }
        environment |= engines
        self._mailbox, self._receiver = mailbox, receiver
        self._turn = 0
        self._told: set[tuple[str, str]] = set()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.actor"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            self._read("ready")
        except AssertionError:
            self.stop()
            raise

    def live(self, label: str, **order: Any) -> tuple[int, list[dict[str, Any]]]:
        """Live until the crash point; return the exit code and what was said before."""
        self._turn += 1
        return self._obey(crash_at=label, number=self._turn, hours=self._turn * HOURS, **order)

    def recover(self, **order: Any) -> list[tuple[str, int]]:
        """Go on as if the processes had been started again; return how each delivery by mail since the last call ended.

        With each stands how many accepted mails told its target of its alert. The program must have got every message.
        """
        hours = self._turn * HOURS + HOURS // 2
        code, said = self._obey(recover=True, hours=hours, **order)
        assert code == 0
        assert said[-1]["faults"] == []
        mails = told(self._mailbox)
        calls = self.calls()
        assert {stage for *_, stage in said[-1]["calls"]} <= {"sent"}
        assert all(calls[f"msg_{delivery}"] for delivery, *_ in said[-1]["calls"])
        ends = {(target, alert): stage for _, target, alert, stage in said[-1]["mails"]}
        new = [(stage, mails[key]) for key, stage in ends.items() if key not in self._told]
        self._told |= set(ends)
        return new

    def calls(self) -> Counter[str]:
        """How often the program got each message."""
        return Counter(headers["webhook-id"] for headers, _ in self._receiver.got)

    def stop(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
        assert self._process.returncode == 0

    def _obey(self, **order: Any) -> tuple[int, list[dict[str, Any]]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._read("exit")

    def _read(self, last: str) -> tuple[int, list[dict[str, Any]]]:
        said: list[dict[str, Any]] = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            if last in answer:
                return answer[last], said
            said.append(answer)
        raise AssertionError("The actor ended; its error is above.")


@contextmanager
def acting(folder: Path, *, engines: Mapping[str, str]) -> Iterator[Actor]:
    """One at work on the engines that these variables name."""
    mailbox = Mailbox().start()
    with receiving() as receiver:
        actor = Actor(folder / "data", mailbox=mailbox, receiver=receiver, engines=engines)
        yield actor
        actor.stop()
    mailbox.stop()


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory, photos_folder: Path) -> Iterator[Actor]:
    """On SQLite and SqliteHuey, or on PostgreSQL and Redis."""
    engines = servers.environment() if servers.ARE_USED else {}
    with acting(tmp_path_factory.mktemp("actor"), engines=engines) as acts:
        yield acts


@pytest.fixture(scope="module")
def forgetful() -> Iterator[PostgresServer]:
    """A PostgreSQL that writes to its disk what has to be there, and the rest much later."""
    with PostgresServer(settings={"wal_writer_delay": "10s", "fsync": "on"}) as server:
        yield server


@pytest.fixture(scope="module")
def on_forgetful(
    tmp_path_factory: pytest.TempPathFactory, photos_folder: Path, forgetful: PostgresServer
) -> Iterator[Actor]:
    """On a PostgreSQL that may forget, and Redis."""
    engines = servers.environment() | {"DATABASE_URL": forgetful.url}
    with acting(tmp_path_factory.mktemp("forgetful"), engines=engines) as actor:
        yield actor


def told(mailbox: Mailbox) -> Counter[tuple[str, str]]:
    """How many accepted mails told each recipient of each alert."""
    counts: Counter[tuple[str, str]] = Counter()
    for mail in mailbox.mails:
        body = mail.get_body(("plain",))
        assert body is not None
        alerts = set(re.findall(r"/alerts/([0-9a-f-]{36})/", body.get_content()))
        counts.update((mail["To"], alert) for alert in alerts)
    return counts


def test_no_label_is_used_twice() -> None:
    code = "\n".join(
        path.read_text()
        for package in ("alerts", "facewatch", "ledger", "recognition")
        for path in (ROOT / package).rglob("*.py")
    )
    assert len(re.findall(r'crashpoints\.reach\("', code)) == len(LABELS) > 20


def test_a_day_without_a_crash_leaves_nothing_wrong(actor: Actor) -> None:
    code, said = actor.live("")
    assert code == 0
    assert len(said) == 3, "photos accepted"
    # Two photos for two recipients; one photo was deleted in the end, and its deliveries with it.
    assert actor.recover() == [("sent", 1)] * 2


@pytest.mark.parametrize("label", TRIED)
def test_a_crash_loses_nothing_and_doubles_nothing(actor: Actor, label: str) -> None:
    crash(actor, label, after="email" if label in MESSAGES else "start")
    ends = actor.recover()
    unknown = [mails for stage, mails in ends if stage == "unknown"]
    assert unknown == MAYBE_TOLD.get(label, [])
    assert [mails for stage, mails in ends if stage == "sent"] == [1] * (len(ends) - len(unknown))


@only_postgres
@pytest.mark.parametrize("label", NOT_ON_THE_DISK)
def test_what_a_crash_of_the_database_forgets_is_done_again(
    on_forgetful: Actor, forgetful: PostgresServer, label: str
) -> None:
    crash(on_forgetful, label)
    known = ledger_of(forgetful)
    forgetful.kill()
    forgetful.start()
    assert ledger_of(forgetful) != known, "nothing was forgotten"
    assert on_forgetful.recover() == [("sent", 1)] * 4


def ledger_of(server: PostgresServer) -> list[tuple[Any, ...]]:
    """How far each photo has come, and who holds it."""
    with psycopg.connect(server.url) as connection:
        return connection.execute(
            "SELECT id, stage, lease_token, published_at FROM recognition_photo ORDER BY id"
        ).fetchall()


@pytest.mark.parametrize("label", MESSAGES)
def test_a_crash_while_a_digest_is_sent_doubles_nothing(actor: Actor, label: str) -> None:
    crash(actor, label, after="digests")
    for stage, mails in actor.recover():
        assert mails == 1 or (stage == "unknown" and label == "message: sending" and mails == 0)


@pytest.mark.parametrize("label", MESSAGES)
def test_at_least_once_leaves_nobody_untold(actor: Actor, label: str) -> None:
    crash(actor, label, guarantee="at_least_once", after="email")
    ends = actor.recover(guarantee="at_least_once")
    assert {stage for stage, _ in ends} == {"sent"}
    doubled = 1 if label == "message: handed over" else 0
    assert max(mails for _, mails in ends) == 1 + doubled


@pytest.mark.parametrize("label", MESSAGES)
def test_a_crash_while_a_webhook_is_called_is_made_up_for_with_the_same_id(
    actor: Actor, label: str
) -> None:
    before = actor.calls()
    crash(actor, label, after="webhook")
    actor.recover()
    again = actor.calls() - before
    assert max(again.values()) == (2 if label == "message: handed over" else 1)


def crash(actor: Actor, label: str, **order: Any) -> None:
    code, _ = actor.live(label, **order)
    assert code == -signal.SIGKILL, f"{LABELS[label]}: the crash point was not reached"
