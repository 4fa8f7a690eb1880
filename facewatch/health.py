"""Is the process alive, and can it serve: for load balancers and monitors, without signing in."""

from collections.abc import Callable

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from facewatch import storage_state
from ledger import queues, workers


class NotReady(Exception):
    """A part that the service needs is missing; the text holds no secrets."""


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Answer 200 if every part is there, else 503; `checks` names each with "ok" or what is wrong."""
    checks = {name: _outcome(check) for name, check in CHECKS.items()}
    ready = all(outcome == "ok" for outcome in checks.values())
    body = {"status": "ready" if ready else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


def check_database() -> None:
    """Ask the database for nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def check_broker() -> None:
    """Ask the queue how long it is."""
    queues.length()


def check_storage() -> None:
    """Raise NotReady if the storage of the photos does not answer, or did not some seconds ago."""
    if problem := storage_state.watch.problem():
        raise NotReady(problem)


def check_migrations() -> None:
    """Raise NotReady if the code is newer than the tables."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise NotReady("migrations are missing; run manage.py migrate")


def check_worker() -> None:
    """Raise NotReady if there is a kind of work that no worker takes which reported itself lately."""
    untaken = workers.untaken()
    if len(untaken) == len(queues.NAMES):
        raise NotReady("no worker is alive; photos are accepted and wait")
    if untaken:
        raise NotReady(f"no worker takes {', '.join(untaken)}; what there is to do waits")


CHECKS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "broker": check_broker,
    "storage": check_storage,
    "migrations": check_migrations,
    "worker": check_worker,
}


def _outcome(check: Callable[[], None]) -> str:
    try:
        check()
    except NotReady as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 (whatever a driver raises, the part is not there)
        # The text of a driver's error may hold addresses and passwords; its class says enough.
        return f"failed: {type(error).__name__}"
    return "ok"
