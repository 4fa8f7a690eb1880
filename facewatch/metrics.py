"""`GET /metrics`: the figures of `GET queue/`, and of all other work, in the text format of Prometheus.

They are gauges all of them: rows are removed in time, so that there is none that only grows. What is not known now (a
broker that is away, a wait that nobody measured of late) has no sample. docs/operations.md lists the names.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from rest_framework.request import Request
from rest_framework.views import APIView

from facewatch import storage_state
from ledger import backlog, capacity, failures, kinds, pauses, queues, workers
from recognition import admission

#: Values by those of the labels, or the only one; None for what is not known.
Samples = Mapping[tuple[str, ...], float | None]

#: Each figure of `capacity.Capacity` as a metric, and what it says.
OF_QUEUES = {
    "backlog_rows": (
        "backlog",
        "Rows that are ready or leased; ready ones of a paused stage do not count.",
    ),
    "arrivals_per_second": ("arrivals_per_second", "Rows that came in per second, over 5 minutes."),
    "finished_per_second": (
        "done_per_second",
        "Rows that came to an end per second, over 5 minutes.",
    ),
    "service_seconds": (
        "service_seconds",
        "Seconds of a worker that one row takes, over 5 minutes.",
    ),
    "workers": ("workers", "Workers that are alive and take of this queue."),
    "workers_needed": (
        "workers_needed",
        "Workers with which the mean wait is FACEWATCH_TARGET_WAIT.",
    ),
    "wait_seconds": (
        "wait_seconds",
        "Mean wait for a worker to expect; missing if they do not keep up.",
    ),
    "empty_seconds": (
        "empty_seconds",
        "Seconds until the backlog is done; missing if they do not keep up.",
    ),
}


class Pipeline:
    """Asks for every figure when it is asked itself: a number of queries that does not depend on the rows."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each metric. Raises what the database raises."""
        yield from _of_rows()
        yield from _of_queues()
        yield from _of_workers()
        yield from _of_intake()


REGISTRY = CollectorRegistry()
REGISTRY.register(Pipeline())


class MetricsView(APIView):
    """What monitors follow. It is no JSON, says itself what it holds, and is not in the description of the API."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"get": ("ledger.view_worker",)}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """Tell all of it."""
        return HttpResponse(
            generate_latest(REGISTRY),
            content_type=CONTENT_TYPE_PLAIN_0_0_4,
            headers={"Cache-Control": "no-store"},
        )


def _of_rows() -> Iterator[GaugeMetricFamily]:
    models = dict.fromkeys(kind.model for kind in kinds.KINDS)
    states = {str(model._meta.model_name): backlog.state(model) for model in models}
    stages = {
        (model, stage): counts
        for model, state in states.items()
        for stage, counts in state["stages"].items()
    }
    yield _gauge(
        "rows",
        "Rows to work on: ready for a worker, leased to one, or waiting for their next try.",
        ("model", "stage", "state"),
        {
            (*key, state): counts[state]
            for key, counts in stages.items()
            for state in ("ready", "leased", "waiting")
        },
    )
    yield _gauge(
        "rows_oldest_age_seconds",
        "Seconds since the oldest row to work on came in; 0 if there is none.",
        ("model", "stage"),
        {key: counts["oldest_seconds"] for key, counts in stages.items()},
    )
    yield _gauge(
        "rows_finished_last_minute",
        "Rows that came to an end within the last minute.",
        ("model",),
        {(model,): state["done_per_minute"] for model, state in states.items()},
    )
    yield _gauge(
        "rows_empty_seconds",
        "Seconds until nothing is left to work on, at the rate of the last minute.",
        ("model",),
        {(model,): state["eta_seconds"] for model, state in states.items()},
    )
    yield _gauge(
        "rows_failed",
        "Rows that came to a bad end and are still stored.",
        ("model", "stage"),
        failures.counts(),
    )


def _of_queues() -> Iterator[GaugeMetricFamily]:
    measured = capacity.measured()
    for name, (field, text) in OF_QUEUES.items():
        yield _gauge(
            f"queue_{name}",
            text,
            ("queue",),
            {(one.queue,): getattr(one, field) for one in measured},
        )
    lengths = queues.lengths()
    yield _gauge("broker_up", "1 if the broker answers, else 0.", (), {(): lengths is not None})
    yield _gauge(
        "queue_messages",
        "Wake-ups that are in the broker; missing while it is away.",
        ("queue",),
        {(name,): length for name, length in (lengths or {}).items()},
    )


def _of_workers() -> Iterator[GaugeMetricFamily]:
    alive = workers.alive()
    yield _gauge(
        "worker_heartbeat_age_seconds",
        "Seconds since a worker that is alive reported itself.",
        ("worker",),
        {(one["name"],): one["seen_seconds_ago"] for one in alive},
    )
    yield _gauge(
        "worker_memory_bytes",
        "Memory that a worker that is alive holds.",
        ("worker",),
        {(one["name"],): one["memory_bytes"] for one in alive},
    )


def _of_intake() -> Iterator[GaugeMetricFamily]:
    paused = {one.subject for one in pauses.paused()}
    yield _gauge(
        "paused",
        "1 while the intake, or the work on a stage, is paused, else 0.",
        ("subject",),
        {(subject,): subject in paused for subject in pauses.NAMES},
    )
    # First, because a folder that hangs is not to be touched.
    is_up = not storage_state.watch.problem()
    yield _gauge("storage_up", "1 if the storage of the photos answers, else 0.", (), {(): is_up})
    yield _gauge(
        "storage_free_bytes",
        "Free room on the disk of the photos; missing for an object storage, and while it is away.",
        (),
        {(): admission.free_bytes() if is_up else None},
    )
    yield _gauge(
        "intake_open",
        "1 if photos are taken in, whoever sends them, else 0.",
        (),
        {(): is_up and not admission.refusal()},
    )


def _gauge(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"facewatch_{name}", text, labels=labels)
    for values, figure in samples.items():
        if figure is not None:
            family.add_metric([str(value) for value in values], float(figure))
    return family
