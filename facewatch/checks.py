"""System checks of what an installation stands on: engines that do not fit together, said with what to do.

Those that ask a server run with `manage.py check --deploy`.
"""

import sqlite3
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, register
from django.core.files.storage import default_storage
from redis.exceptions import RedisError

from ledger import queues

DATABASES = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
BROKERS = ("redis", "rediss", "unix")
#: The first SQLite whose UPDATE returns the rows that it changed.
LEAST_SQLITE = (3, 35, 0)


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


@register
def check_sqlite(
    *, version: tuple[int, ...] = sqlite3.sqlite_version_info, **_: Any
) -> list[CheckMessage]:
    """SQLite must be new enough to claim work in one statement."""
    if settings.DATABASES["default"]["ENGINE"] != DATABASES[0] or version >= LEAST_SQLITE:
        return []
    needed, found = (".".join(map(str, numbers)) for numbers in (LEAST_SQLITE, version))
    return [
        checks.Error(
            f"SQLite {needed} or newer is needed, and this Python has {found}.",
            hint="Take a newer Python, or set DATABASE_URL to a PostgreSQL.",
            id="facewatch.E003",
        )
    ]


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


@register
def check_storage(**_: Any) -> list[CheckMessage]:
    """STORAGE_URL must name a place for photos, and a folder must be there; a wrong address is not repeated."""
    storage = settings.STORAGE
    if storage.problem:
        text, hint = str(storage.problem), storage.problem.hint
        return [checks.Error(text, hint=hint, id="facewatch.E020")]
    if storage.bucket and settings.ACCEL:
        return [
            checks.Error(
                "nginx cannot send pictures that lie in an object storage: FACEWATCH_ACCEL beside STORAGE_URL=s3://…",
                hint="Leave FACEWATCH_ACCEL out: the web server sends them itself.",
                id="facewatch.E023",
            )
        ]
    return _check_folder(storage.folder) if storage.folder else []


def _check_folder(folder: Path) -> list[CheckMessage]:
    if not folder.is_dir():
        return [
            checks.Error(
                f"The folder of STORAGE_URL is not there: {folder}",
                hint="Mount it, or make it once, where it lies. It is not made by itself: other machines would not see"
                " it.",
                id="facewatch.E021",
            )
        ]
    if problem := _try_out():
        return [
            checks.Error(
                f"The folder of STORAGE_URL cannot be written to: {problem}.",
                hint="Give it to the user that Facewatch runs as, with the same number on every machine.",
                id="facewatch.E022",
            )
        ]
    return []


@register(deploy=True)
def check_storage_shared(**_: Any) -> list[CheckMessage]:
    """Photos must be where every machine sees them, and stay away when their folder does."""
    storage = settings.STORAGE
    if storage.problem or storage.bucket:
        return []
    if storage.folder:
        if not storage.folder.is_mount():
            return []
        return [
            checks.Warning(
                "The folder of STORAGE_URL is where something is mounted: without it, photos would be written beneath.",
                hint="Name a folder within, such as file:///mnt/faces/photos, which is missing when that is.",
                id="facewatch.W022",
            )
        ]
    if not settings.REDIS_URL or settings.DATABASES["default"]["ENGINE"] != DATABASES[1]:
        return []
    return [
        checks.Warning(
            "Several machines can share the database and the queue, but not the photos: they lie in the data folder.",
            hint="Set STORAGE_URL to an s3:// bucket or to a shared folder: file:// and its path, also where the data"
            " folder itself is shared. On one machine this is in order.",
            id="facewatch.W020",
        )
    ]


@register(deploy=True)
def check_object_storage(**_: Any) -> list[CheckMessage]:
    """The bucket must be there, and let objects be listed, written, read and removed."""
    if settings.STORAGE.problem or not settings.STORAGE.bucket:
        return []
    if problem := _try_out():
        return [
            checks.Warning(
                f"The bucket of STORAGE_URL cannot be used: {problem}.",
                hint="Make the bucket, correct the address or the keys, and allow s3:ListBucket on the bucket and"
                " s3:GetObject, s3:PutObject and s3:DeleteObject in it.",
                id="facewatch.W021",
            )
        ]
    return []


def _try_out() -> str:
    """Return why no file can be written, read and removed; an empty text if it can."""
    try:
        cast("Any", default_storage).try_out()
    except OSError as error:
        return error.strerror or str(error)
    return ""
