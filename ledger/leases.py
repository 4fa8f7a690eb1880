"""Claim, finish, fail, try again: who works on a row, decided by compare-and-set in the database.

One worker at most holds a row. A worker that dies leaves a lease that expires; one that stalls and comes back finds
its token gone and must drop what it did (`LeaseLost`).
"""

import errno
import logging
import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ledger import crashpoints, deadline, pauses, statements
from ledger.models import Work
from ledger.statements import Given

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=Work)

#: Seconds before the second attempt; each further one waits four times as long.
FIRST_BACKOFF = 5.0
#: Longest wait between two attempts, in seconds.
LONGEST_BACKOFF = 600.0
#: Share by which a wait is shortened or lengthened at random, so that rows that failed together do not return together.
JITTER = 0.2
#: Seconds until a row is tried again that the machine, and not the row, kept from being done.
PUT_OFF_SECONDS = 60.0
#: Seconds by which the clocks of two machines may differ. A time that lies farther ahead than any lease or wait ends
#: was written before the clock was set back, and counts as past.
CLOCK_SKEW = 60.0
#: What the system answers when there is no room for a file.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
#: Code of what waits for the storage of the files.
STORAGE_UNAVAILABLE = "storage_unavailable"


class StorageUnavailable(OSError):
    """The storage of the files does not answer, or refuses everything, for now; no row and no file is to blame.

    Raised by the storages in the place of whatever their servers and drivers raise; the text holds no secrets.
    """


class LeaseLost(Exception):
    """The row was given to someone else, finished or deleted meanwhile; what the holder did must not be stored."""


class Unfit(Exception):
    """The row itself is to blame: no further attempt would help. `code` and the text are what its owner is told."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Lease(Generic[W]):
    """The right to work on one row until the row's `lease_until`."""

    row: W
    token: uuid.UUID


def claim(model: type[W], pk: object, *, stage: str) -> Lease[W] | None:
    """Return a lease on the row if it waits in `stage` now, else None: a second claim is told None.

    So is everybody while the stage is paused. Counts an attempt. A row whose attempts are used up is never claimed; the
    sweep makes it `failed`.
    """
    crashpoints.reach("lease: not yet claimed")
    deadline.start(settings.LEASE_SECONDS)
    token = uuid.uuid4()
    row = _claiming(model, stage, settings.LEASE_SECONDS).fetch(
        pk=pk, token=token, now=timezone.now()
    )
    if row is None:
        deadline.stop()
        return None
    crashpoints.reach("lease: claimed")
    return Lease(row=row, token=token)


@cache
def _claiming(model: type[W], stage: str, lease_seconds: float) -> statements.Statement[W]:
    """Return the statement that gives the row `pk` to whoever has the `token`, if it waits in a stage `now`."""
    now = statements.given(model, "now", like="lease_until")
    rows = (
        model._default_manager.filter(free(now), due(now, model), stage=stage)
        .filter(pauses.running(pauses.subject_of(model, stage)))
        .filter(attempts__lt=model.MAX_ATTEMPTS, pk=statements.given(model, "pk"))
    )
    return statements.update(
        rows,
        {
            "lease_token": statements.given(model, "token", like="lease_token"),
            "lease_until": now + timedelta(seconds=lease_seconds),
            "attempts": F("attempts") + 1,
        },
        # If the database crashes and forgets it, its token is not there any more, and the outcome is fenced off.
        is_durable=False,
    )


def move(lease: Lease[Any], *, stage: str) -> None:
    """Take the row to a stage within one piece of work, and hold the lease for its whole length from now.

    `lease.row` keeps the stage in which it was claimed, to which `fail` returns the row. Raises LeaseLost.
    """
    deadline.start(settings.LEASE_SECONDS)
    until = timezone.now() + timedelta(seconds=settings.LEASE_SECONDS)
    _update(lease, stage=stage, lease_until=until)


def finish(lease: Lease[Any], *, stage: str, is_durable: bool = True, **fields: Any) -> None:
    """Move the row on to `stage`, give the lease back and store `fields` with it.

    Call it inside the transaction that stores the outcome. Raises LeaseLost, which rolls that transaction back. What is
    not durable does not wait for the disk: if the database forgets the outcome in a crash, it is worked out anew.
    """
    model = type(lease.row)
    now = timezone.now()
    fields.setdefault("error_code", "")
    fields.setdefault("error_detail", "")
    if stage not in model.OPEN_STAGES:
        fields.setdefault("finished_at", now)
    _update(
        lease,
        is_durable=is_durable,
        stage=stage,
        attempts=0,
        next_try_at=now,
        lease_token=None,
        lease_until=None,
        **fields,
    )


def fail(
    lease: Lease[Any], *, code: str, detail: str, permanent: bool, wait: timedelta | None = None
) -> None:
    """Record what went wrong: the row is tried again after a wait, or is `failed` if that is of no use.

    Tried again means from the stage in which it was claimed. `permanent` says that another attempt cannot succeed;
    `wait` is another than that of `backoff`, up to the model's LONGEST_WAIT. Raises LeaseLost.
    """
    row = lease.row
    now = timezone.now()
    outcome: dict[str, Any] = {"lease_token": None, "lease_until": None}
    if permanent or row.attempts >= row.MAX_ATTEMPTS:
        outcome |= {"stage": row.FAILED, "failed_stage": row.stage, "finished_at": now}
    else:
        outcome |= {"stage": row.stage, "next_try_at": now + (wait or backoff(row.attempts))}
    _update(lease, error_code=code, error_detail=detail, **outcome)


def put_off(lease: Lease[Any], *, code: str, detail: str) -> None:
    """Give the row back for a while and count no attempt: it is not to blame. Raises LeaseLost."""
    _update(
        lease,
        stage=lease.row.stage,
        attempts=F("attempts") - 1,
        next_try_at=timezone.now() + timedelta(seconds=PUT_OFF_SECONDS),
        error_code=code,
        error_detail=detail,
        lease_token=None,
        lease_until=None,
    )


@contextmanager
def held(lease: Lease[Any]) -> Iterator[None]:
    """Work on a row: what the body raises is recorded, and gives the row back to be tried again.

    Unfit makes it `failed`. A row that was moved to another stage meanwhile stays there: what an error means then, only
    its own code knows. LeaseLost ends the body without a trace in the row, which is somebody else's by then.
    While the database does not answer the row stays leased, and is free when the lease runs out.
    """
    try:
        yield
    except LeaseLost as lost:
        logger.info("%s", lost)
    except Exception as error:  # noqa: BLE001 (whatever it is, the row must not stay behind)
        _give_back(lease, error)
    finally:
        deadline.stop()


def _give_back(lease: Lease[Any], error: Exception) -> None:
    name = f"{type(lease.row).__name__} {lease.row.pk}"
    if not isinstance(error, Unfit):
        logger.error("%s was not done", name, exc_info=error)
    model = type(lease.row)
    mine = model._default_manager.filter(pk=lease.row.pk, lease_token=lease.token)
    try:
        if mine.filter(stage=lease.row.stage).exists():
            _record(lease, error)
    except LeaseLost as lost:
        logger.info("%s", lost)
    except DatabaseError as second:
        logger.warning("%s could not be given back: %s", name, second)


def _record(lease: Lease[Any], error: Exception) -> None:
    if isinstance(error, Unfit):
        fail(lease, code=error.code, detail=str(error), permanent=True)
    elif isinstance(error, OSError) and error.errno in NO_ROOM:
        detail = "The server's disk is full. It goes on by itself when there is room."
        put_off(lease, code="disk_full", detail=detail)
    elif isinstance(error, StorageUnavailable):
        detail = "The storage of the photos does not answer. It goes on by itself when it does."
        put_off(lease, code=STORAGE_UNAVAILABLE, detail=detail)
    elif isinstance(error, MemoryError):
        detail = "The worker had not enough memory."
        fail(lease, code="out_of_memory", detail=detail, permanent=False)
    else:
        detail = f"The server failed ({type(error).__name__}); its log says more."
        fail(lease, code="server_error", detail=detail, permanent=False)


def retry(model: type[W], pk: object) -> bool:
    """Put a `failed` row back to the stage that it failed in, with all its attempts; False if it is not failed."""
    return bool(retry_all(model._default_manager.filter(pk=pk)))


def retry_all(rows: "QuerySet[W]") -> int:
    """Put those of these rows that are `failed` back to where each failed, in one statement; return how many."""
    return (
        rows.filter(stage=rows.model.FAILED)
        .exclude(failed_stage="")
        .update(
            stage=F("failed_stage"),
            failed_stage="",
            attempts=0,
            next_try_at=timezone.now(),
            error_code="",
            error_detail="",
            finished_at=None,
        )
    )


def backoff(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts (1 or more): exponential, bounded, with jitter."""
    wait = min(LONGEST_BACKOFF, FIRST_BACKOFF * 4.0 ** (attempts - 1))
    return timedelta(seconds=wait * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 (no secret)


def free(now: datetime | Given) -> Q:
    """Return what holds of the rows that nobody holds at that moment."""
    return Q(lease_until=None) | expired(now)


def expired(now: datetime | Given) -> Q:
    """Return what holds of the rows whose holder went silent: the lease ran out, or ends when no lease can."""
    latest = now + timedelta(seconds=settings.LEASE_SECONDS + CLOCK_SKEW)
    return Q(lease_until__lt=now) | Q(lease_until__gt=latest)


def due(now: datetime | Given, model: type[Work] | None = None) -> Q:
    """Return what holds of the rows whose time has come, of a model that has rows which wait longer than others."""
    impossible = Q(next_try_at__gt=_latest(now, longest=LONGEST_BACKOFF))
    if model and model.PATIENT:
        of_patient = Q(next_try_at__gt=_latest(now, longest=model.LONGEST_WAIT))
        impossible = (impossible & ~model.PATIENT) | of_patient
    return Q(next_try_at__lte=now) | impossible


def _latest(now: datetime | Given, *, longest: float) -> datetime | Given:
    """Return the end of the longest wait that can have begun by now, on a clock that is right."""
    return now + timedelta(seconds=longest * (1 + JITTER) + CLOCK_SKEW)


def _update(lease: Lease[Any], *, is_durable: bool = True, **fields: Any) -> None:
    model: Any = type(lease.row)
    if detail := fields.get("error_detail"):
        # What a stranger's server answered may hold bytes that PostgreSQL stores in no text.
        fields["error_detail"] = detail.replace("\0", "�")
    # Expressions are part of the statement; other values are told to it.
    parts = {name: value for name, value in fields.items() if hasattr(value, "resolve_expression")}
    told = {name: value for name, value in fields.items() if name not in parts}
    mine = _updating(
        model, tuple(sorted(told)), tuple(sorted(parts.items())), is_durable=is_durable
    )
    if not mine.send(pk=lease.row.pk, mine=lease.token, **told):
        raise LeaseLost(f"{model.__name__} {lease.row.pk} is no longer ours")


@cache
def _updating(
    model: type[W],
    told: tuple[str, ...],
    parts: tuple[tuple[str, Any], ...],
    *,
    is_durable: bool,
) -> statements.Statement[W]:
    """Return the statement that changes these fields of the row `pk` as long as its token is `mine`."""
    rows = model._default_manager.filter(
        pk=statements.given(model, "pk"),
        lease_token=statements.given(model, "mine", like="lease_token"),
    )
    values = {name: statements.given(model, name) for name in told}
    return statements.update(rows, values | dict(parts), is_durable=is_durable)
