"""System checks of what an installation stands on: engines that do not fit together, said with what to do.

Those that ask a server run with `manage.py check --deploy`.
"""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register
from redis.exceptions import RedisError

from ledger import queues

DATABASES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
BROKERS = ("redis", "rediss", "unix")


@register
def check_addresses(**_: Any) -> list[CheckMessage]:
    """DATABASE_URL and REDIS_URL must name engines that Facewatch runs on."""
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"] not in DATABASES:
        found.append(
            checks.Error(
                f"DATABASE_URL names {settings.DATABASES['default']['ENGINE'] or 'no database'}.",
                hint="Set it to postgres://user:password@host:5432/name, or leave it out for SQLite.",
                id="facewatch.E001",
            )
        )
    scheme, separator, _rest = settings.REDIS_URL.partition("://")
    if settings.REDIS_URL and not (separator and scheme in BROKERS):
        found.append(
            checks.Error(
                "REDIS_URL is no address of a Redis.",
                hint="Set it to redis://host:6379/0, or leave it out for a queue in the data folder.",
                id="facewatch.E002",
            )
        )
    return found


@register(deploy=True)
def check_together(**_: Any) -> list[CheckMessage]:
    """A queue that several machines share is of no use with a database that they cannot."""
    if not settings.REDIS_URL or settings.DATABASES["default"]["ENGINE"] != DATABASES[0]:
        return []
    return [
        checks.Warning(
            "The queue is in Redis, but the database is a SQLite file: only one machine can use that.",
            hint="For workers on several machines set DATABASE_URL to a PostgreSQL; for one, leave REDIS_URL out.",
            id="facewatch.W001",
        )
    ]


@register(deploy=True)
def check_redis(**_: Any) -> list[CheckMessage]:
    """The Redis must answer, keep what it has when its memory is full, and better over a crash too."""
    if not settings.REDIS_URL:
        return []
    try:
        advice = queues.advice()
        is_kept = queues.is_kept()
    except RedisError as error:
        return [
            checks.Warning(
                f"The Redis of REDIS_URL does not answer ({type(error).__name__}).",
                hint="Start it, or correct the address. Until then the sweep wakes what waits.",
                id="facewatch.W002",
            )
        ]
    found: list[CheckMessage] = []
    if advice:
        found.append(
            checks.Warning(
                advice, hint="CONFIG SET maxmemory-policy noeviction", id="facewatch.W003"
            )
        )
    if not is_kept:
        found.append(
            checks.Warning(
                "The Redis keeps no append-only file: a crash of it costs the wake-ups in it, until the next sweep.",
                hint="Set appendonly yes in its configuration.",
                id="facewatch.W004",
            )
        )
    return found
