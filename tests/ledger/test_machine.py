"""Whatever happens in whatever order, the ledger keeps its promises: a state machine plays the world."""

import errno
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import controls, kinds, leases, pauses, queues
from ledger.leases import Lease, LeaseLost
from ledger.models import Pause
from ledger.sweep import sweep
from recognition import tasks
from recognition.models import Photo
from tests import make

START = datetime(2030, 5, 5, 12, tzinfo=UTC)
#: The next stage of each, and the stage that the task of a message is for.
NEXT = {"uploaded": "detected", "detected": "done"}
STAGE_OF = {"detect_faces": "uploaded", "recognise_faces": "detected"}
#: What a row consists of, as far as the ledger goes.
FIELDS = (
    *("stage", "attempts", "next_try_at", "lease_token", "lease_until"),
    *("failed_stage", "error_code", "error_detail", "finished_at"),
)
#: Rows that there are at once.
MOST_ROWS = 3
#: Seconds: a moment, a wait between attempts, past a lease, past the longest wait.
WAITS = st.sampled_from([1, 10, settings.LEASE_SECONDS + 1, 800])
#: Hours by which somebody sets the clock.
JUMPS = st.sampled_from([-24 * 365, -1, 1, 24 * 365])
ERRORS = st.sampled_from(
    [
        ValueError("a mistake"),
        MemoryError(),
        OSError(errno.ENOSPC, "no space"),
        OSError(errno.EIO, "bad"),
    ]
)


def bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


def stumble(error: Exception) -> None:
    raise error


@dataclass(frozen=True)
class Held:
    """A lease in somebody's hands, rightly or not any more."""

    lease: Lease[Photo]


class Ledger(RuleBasedStateMachine):
    """Rows, workers who hold them, die or come back too late, a queue that forgets, pauses, and a clock that jumps."""

    rows: Bundle[Any] = Bundle("rows")
    hands: Bundle[Held] = Bundle("hands")

    @initialize()
    def begin(self) -> None:
        self.clock = time_machine.travel(START, tick=False)
        self.now = self.clock.start()
        Photo.objects.all().delete()
        Pause.objects.all().delete()
        queues.breaker.reset()
        queues.huey.flush()
        #: The token of the one who rightly holds a row, by the row's id.
        self.owner: dict[Any, Any] = {}
        self.alive: set[Any] = set()
        self.ended: dict[Any, str] = {}
        self.paused: set[str] = set()

    # Few rows, so that much happens to each.
    @precondition(lambda self: len(self.alive) < MOST_ROWS)
    @rule(target=rows, woken=st.booleans(), priority=st.sampled_from([0, -5, -30]))
    def store(self, *, woken: bool, priority: int) -> Any:
        photo = make.photo(stage="uploaded", priority=priority)
        self.alive.add(photo.pk)
        if woken:
            queues.wake(tasks.detect_faces, photo.pk, priority=priority)
        return photo.pk

    @rule(target=hands, pk=rows)
    def claim(self, pk: Any) -> Any:
        row = self._row(pk)
        return self._claim(pk, row["stage"] if row and row["stage"] in NEXT else "uploaded")

    @rule(pk=rows, stage=st.sampled_from([*NEXT, *NEXT.values()]))
    def claim_for_any_stage(self, pk: Any, stage: str) -> None:
        self._claim(pk, stage)

    @rule(target=hands, pk=rows, times=st.integers(1, Photo.MAX_ATTEMPTS))
    def kill_workers(self, pk: Any, times: int) -> Any:
        """Whoever takes the row dies of it, so often; then somebody else takes it."""
        for _ in range(times):
            self.claim(pk)
            self.now.shift(settings.LEASE_SECONDS + 1)
        return self.claim(pk)

    @rule(pk=rows, times=st.integers(1, Photo.MAX_ATTEMPTS + 1))
    def fail_again_and_again(self, pk: Any, times: int) -> None:
        for _ in range(times):
            held = self.claim(pk)
            if isinstance(held, Held):
                self.fail(held, permanent=False)
                self.now.shift(800)

    @rule(target=hands)
    def take(self) -> Any:
        """A worker takes a message; the row may be gone or done, and then nothing happens."""
        task = queues.huey.dequeue()
        return self._claim(task.args[0], STAGE_OF[task.name]) if task else multiple()

    def _claim(self, pk: Any, stage: str) -> Any:
        before = self._row(pk)
        lease = leases.claim(Photo, pk, stage=stage)
        assert (lease is not None) == (before is not None and self._claimable(before, stage))
        if lease is None:
            assert self._row(pk) == before
            return multiple()
        assert leases.claim(Photo, pk, stage=stage) is None, "two hold one row"
        assert lease.row.attempts == before["attempts"] + 1
        self.owner[lease.row.pk] = lease.token
        return Held(lease)

    @rule(held=hands)
    def finish(self, held: Held) -> None:
        stage = NEXT[held.lease.row.stage]
        if self._do(held, lambda: leases.finish(held.lease, stage=stage)):
            assert self._row(held.lease.row.pk)["stage"] == stage

    @rule(held=hands)
    def renew(self, held: Held) -> None:
        if self._do(held, lambda: leases.move(held.lease, stage=held.lease.row.stage), ends=False):
            row = self._row(held.lease.row.pk)
            assert row["lease_until"] == timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)

    @rule(held=hands, permanent=st.booleans())
    def fail(self, held: Held, *, permanent: bool) -> None:
        def step() -> None:
            leases.fail(held.lease, code="broken", detail="It broke.", permanent=permanent)

        if self._do(held, step):
            last = permanent or held.lease.row.attempts >= Photo.MAX_ATTEMPTS
            row = self._row(held.lease.row.pk)
            assert row["stage"] == ("failed" if last else held.lease.row.stage)

    @rule(held=hands)
    def put_off(self, held: Held) -> None:
        def step() -> None:
            leases.put_off(held.lease, code="disk_full", detail="No room.")

        if self._do(held, step):
            row = self._row(held.lease.row.pk)
            assert row["attempts"] == held.lease.row.attempts - 1, "it is not to blame"

    @rule(held=hands, error=ERRORS)
    def err(self, held: Held, error: Exception) -> None:
        """Work raises what nobody expected: the row is never left in the hands of who failed."""
        mine = self._is_owner(held)
        before = self._row(held.lease.row.pk)
        with leases.held(held.lease):
            stumble(error)
        after = self._row(held.lease.row.pk)
        if not mine:
            assert after == before
            return
        self._settled(held)
        assert after["lease_token"] is None
        assert after["error_code"] in {"server_error", "out_of_memory", "disk_full"}

    @rule(held=consumes(hands))
    def crash(self, held: Held) -> None:
        """A worker dies with a row in its hands, and nobody tells."""

    @rule(pk=rows)
    def retry(self, pk: Any) -> None:
        before = self._row(pk)
        failed = before is not None and before["stage"] == "failed"
        assert leases.retry(Photo, pk) == failed
        if failed:
            self.ended.pop(pk)
            assert self._row(pk)["stage"] == before["failed_stage"]
            assert self._row(pk)["attempts"] == 0

    @rule(pk=consumes(rows))
    def delete(self, pk: Any) -> None:
        Photo.objects.filter(pk=pk).delete()
        self.alive.discard(pk)
        self.ended.pop(pk, None)

    @rule()
    def forget(self) -> None:
        queues.huey.flush()

    @rule(stage=st.sampled_from([*NEXT]))
    def pause(self, stage: str) -> None:
        subject = pauses.subject_of(Photo, stage)
        assert pauses.pause(subject, by=None) == (stage not in self.paused)
        self.paused.add(stage)

    @rule(stage=st.sampled_from([*NEXT]))
    def resume(self, stage: str) -> None:
        before = self._rows()
        subject = pauses.subject_of(Photo, stage)
        assert controls.resume(subject) == (stage in self.paused)
        self.paused.discard(stage)
        assert self._rows() == before

    @rule(seconds=WAITS)
    def wait(self, seconds: int) -> None:
        self.now.shift(seconds)

    @rule(hours=JUMPS)
    def set_clock(self, hours: int) -> None:
        self.now.shift(timedelta(hours=hours))

    @rule()
    def sweep(self) -> None:
        before = queues.length()
        held = {pk: row for pk, row in self._rows().items() if self._held(row)}
        sweep()
        assert {pk: self._row(pk) for pk in held} == {pk: bare(row) for pk, row in held.items()}
        ready = sum(kind.ready().count() for kind in kinds.KINDS)
        assert queues.length() == max(before, ready), "neither forgotten nor flooded"
        again = sweep()
        assert (again.woken, again.buried) == (0, 0)
        for pk, row in self._rows().items():
            if row["stage"] == "failed" and pk not in self.ended:
                assert row["error_code"] == "worker_died"
                assert row["attempts"] == Photo.MAX_ATTEMPTS

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "alive"):
            assert set(self._rows()) == self.alive

    @invariant()
    def rows_make_sense(self) -> None:
        for pk, row in self._rows().items() if hasattr(self, "alive") else ():
            final = row["stage"] not in Photo.OPEN_STAGES
            assert row["attempts"] <= Photo.MAX_ATTEMPTS
            assert (row["finished_at"] is not None) == final
            assert not (final and row["lease_until"])
            assert (row["failed_stage"] != "") == (row["stage"] == "failed")
            assert row["stage"] != "failed" or row["error_code"]
            # What is final stays what it is, unless it is tried again.
            if final:
                assert self.ended.setdefault(pk, row["stage"]) == row["stage"]
            else:
                assert pk not in self.ended

    def teardown(self) -> None:
        """Everything comes to an end by itself, once workers do their work and time goes on."""
        if not hasattr(self, "clock"):
            return
        try:
            for stage in NEXT:
                pauses.lift(pauses.subject_of(Photo, stage))
            for _ in range(2 * Photo.MAX_ATTEMPTS):
                self.now.shift(400)
                sweep()
                while task := queues.huey.dequeue():
                    lease = leases.claim(Photo, task.args[0], stage=STAGE_OF[task.name])
                    if lease:
                        leases.finish(lease, stage=NEXT[lease.row.stage])
                        queues.wake(tasks.recognise_faces, lease.row.pk)
            assert {row["stage"] for row in self._rows().values()} <= {"done", "failed"}
            assert not [row for row in self._rows().values() if row["lease_until"]]
        finally:
            self.clock.stop()

    def _do(self, held: Held, step: Any, *, ends: bool = True) -> bool:
        """Let a holder do something to its row; return whether it was allowed to. Others change nothing at all."""
        if self._is_owner(held):
            step()
            if ends:
                self._settled(held)
            return True
        before = self._row(held.lease.row.pk)
        with pytest.raises(LeaseLost):
            step()
        assert self._row(held.lease.row.pk) == before
        return False

    def _is_owner(self, held: Held) -> bool:
        """Return whether nobody took the row over, gave it up or deleted it since it was claimed."""
        pk = held.lease.row.pk
        row = self._row(pk)
        mine = row is not None and self.owner.get(pk) == held.lease.token
        # The sweep gives up what is out of attempts; nothing but that takes a row from its owner without a claim.
        return mine and not (row["stage"] == "failed" and row["error_code"] == "worker_died")

    def _settled(self, held: Held) -> None:
        self.owner.pop(held.lease.row.pk)
        row = self._row(held.lease.row.pk)
        assert (row["lease_token"], row["lease_until"]) == (None, None)

    def _claimable(self, row: dict[str, Any], stage: str) -> bool:
        """Say in other words than the ledger's whether a row waits for a worker now."""
        now = timezone.now()
        later = timedelta(0) < row["next_try_at"] - now <= timedelta(seconds=780)
        tries_left = row["attempts"] < Photo.MAX_ATTEMPTS
        if stage in self.paused:
            return False
        return row["stage"] == stage and not self._held(row) and not later and tries_left

    def _held(self, row: dict[str, Any]) -> bool:
        """Say in other words than the ledger's whether the row's lease holds now."""
        if row["lease_until"] is None:
            return False
        left = row["lease_until"] - timezone.now()
        return bool(timedelta(0) <= left <= timedelta(seconds=settings.LEASE_SECONDS + 60))

    def _row(self, pk: Any) -> Any:
        return Photo.objects.filter(pk=pk).values(*FIELDS).first()

    def _rows(self) -> dict[Any, dict[str, Any]]:
        return {row["pk"]: row for row in Photo.objects.values("pk", *FIELDS)}


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No chores, which have nothing to do here and take time, and no log of errors that are caused on purpose."""
    monkeypatch.setattr(kinds, "CHORES", {})
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("empty_queue", "quiet")
def test_the_ledger_keeps_its_promises_whatever_happens() -> None:
    run_state_machine_as_test(
        Ledger,
        settings=hypothesis_settings(
            max_examples=80,
            stateful_step_count=40,
            # A run that fails must fail again; a database of examples would make runs differ.
            derandomize=True,
            database=None,
            # Times are the machine's; every step waits for the database.
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
