"""The consumer: Huey's, with worker processes that share the models loaded before they start."""

import logging
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from django.db import close_old_connections
from huey.api import Task
from huey.consumer import Consumer
from redis.exceptions import RedisError

from ledger import databases, deadline, queues, workers
from ledger.processes import die_with_parent, give_way, keep_memory

logger = logging.getLogger(__name__)

#: Seconds between two looks into an empty SQLite queue; Huey's own default grows to 10.
POLL_SECONDS = 0.1
#: Queues whose work needs the models.
NEED_MODELS = {"detect", "recognise"}
#: Seconds that running tasks get to end after SIGTERM.
GRACE_SECONDS = 25


class PatientConsumer(Consumer):
    """Huey's, but a second SIGTERM interrupts no task: a service manager sends one, the supervisor another."""

    def _handle_signal(self, signum: int, frame: FrameType | None) -> None:
        super()._handle_signal(signum, frame)
        if signum == signal.SIGTERM:
            signal.signal(signum, signal.SIG_IGN)


class CannotLoad(Exception):
    """The models are not there or not as expected; the text says what to do."""


def run(
    *, workers_count: int, engine: str, load: Callable[[], object], names: Sequence[str]
) -> None:
    """Consume of the named queues until SIGTERM.

    `load` puts the models into memory once, before the worker processes fork from here; who only tells people needs
    none. Raises CannotLoad: a worker without its models must not start; and ValueError for a name that is none.
    """
    source = queues.take(names)
    try:
        if set(names) & NEED_MODELS:
            load()
    except Exception as error:
        raise CannotLoad(f"The models cannot be loaded: {error}") from error
    # Who uploads is answered at once, however busy the workers are.
    give_way()
    keep_memory()
    # A dead consumer must not leave workers behind; a task that dies with it is in the ledger.
    os.register_at_fork(after_in_child=lambda: die_with_parent(signal.SIGKILL))
    with suppress(RedisError):
        if advice := queues.advice():
            logger.warning("%s", advice)
    heartbeat: list[workers.Heartbeat] = []

    def start_up() -> None:
        deadline.enforce()
        heartbeat.append(workers.Heartbeat(engine=engine, queues=names))
        heartbeat[0].start()

    def shut_down() -> None:
        if heartbeat:
            heartbeat[0].stop()

    def before(task: Task) -> None:
        close_old_connections()
        heartbeat[0].begin(f"{task.name} {' '.join(map(str, task.args))}".strip())

    def after(task: Task, value: object, error: BaseException | None) -> None:
        deadline.stop()
        heartbeat[0].end(queue=task.queue)
        close_old_connections()

    source.on_startup(name="heartbeat")(_or_exit(start_up))
    source.on_shutdown(name="heartbeat")(shut_down)
    source.pre_execute(name="heartbeat")(before)
    source.post_execute(name="heartbeat")(after)
    # Forked workers must not share this process's connections.
    databases.let_go()
    consumer = PatientConsumer(
        source,
        workers=workers_count,
        # Windows of time are looked at by those who can tell of them.
        periodic="deliver" in names,
        worker_type="process",
        initial_delay=POLL_SECONDS,
        max_delay=POLL_SECONDS,
        backoff=1.0,
        health_check_interval=1,
        graceful_signal="TERM",
        shutdown_timeout=GRACE_SECONDS,
    )
    consumer.run()


def _or_exit(hook: Callable[[], None]) -> Callable[[], None]:
    """Return a start-up hook whose failure ends the process; Huey would log it and let the worker run on."""

    def run_or_exit() -> None:
        try:
            hook()
        except Exception:
            logger.exception("The worker cannot start")
            os._exit(3)

    return run_or_exit
