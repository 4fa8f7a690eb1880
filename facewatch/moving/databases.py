"""The databases of a move: a snapshot of this installation's, the target, and what each is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import OperationalError, connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Q
from psycopg import IsolationLevel

from facewatch.env import env
from facewatch.moving import MovingError, rows
from facewatch.moving.tables import carried

#: Aliases of the connections that are made here.
SNAPSHOT, TARGET = "snapshot", "target"
SCHEMES = {"postgres", "postgresql"}
#: Tables in which a first start stores something.
FURNISHED = {
    "alerts.EventState",
    "auth.Group",
    "auth.Group_permissions",
    "auth.Permission",
    "contenttypes.ContentType",
    "ledger.Minute",
    "ledger.Served",
    "ledger.Window",
    "recognition.GalleryAudit",
    "recognition.GalleryState",
}


@contextmanager
def snapshot() -> Iterator[str]:
    """Give the alias of a connection that sees the database as it is now, whatever is written meanwhile.

    Nothing can be written through it, and nobody waits for it. On SQLite the file `-wal` grows by what is written.
    """
    config = deepcopy(connections["default"].settings_dict)
    options: dict[str, Any] = config["OPTIONS"]
    options.pop("pool", None)
    if connections["default"].vendor == "sqlite":
        options.pop("transaction_mode", None)
        options["init_command"] = f"{options.get('init_command', '')} PRAGMA query_only=ON;"
    else:
        options["isolation_level"] = IsolationLevel.REPEATABLE_READ
        options["options"] = "-c default_transaction_read_only=on"
    with _connected(SNAPSHOT, config), transaction.atomic(using=SNAPSHOT):
        # The first read decides what is seen.
        with connections[SNAPSHOT].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM django_migrations")
        yield SNAPSHOT


@contextmanager
def target(url: str) -> Iterator[str]:
    """Give the alias of a connection to another PostgreSQL. Raises MovingError for what is none, or is this one."""
    if urlsplit(url).scheme not in SCHEMES:
        raise MovingError(
            "The target is no PostgreSQL: give postgres://user:password@host:5432/name."
        )
    config: dict[str, Any] = env.db_url_config(url)
    config["OPTIONS"] = {"connect_timeout": 10} | config.get("OPTIONS", {})
    if _place(config) == _place(connections["default"].settings_dict):
        raise MovingError("DATABASE_URL is this database already: there is nothing to move.")
    with _connected(TARGET, config):
        try:
            connections[TARGET].ensure_connection()
        except OperationalError as error:
            line = " ".join(str(error).split())
            raise MovingError(f"The target does not let us in: {line}") from error
        _check_fit(TARGET)
        yield TARGET


def make_tables(url: str) -> None:
    """Run the migrations in a database, in a process of their own for which it is the default one.

    Data migrations use the default database, which here is the one to be moved.
    """
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL_FILE"}
    environment |= {"DATABASE_URL": url, "PYTHONPATH": str(settings.BASE_DIR)}
    # It ends with us: the next call must not find it still at work.
    command = [sys.executable, "-m", "ledger.processes", str(os.getpid()), sys.executable]
    done = subprocess.run(
        [*command, settings.BASE_DIR / "manage.py", "migrate", "--verbosity=0", "--no-input"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise MovingError(f"The tables could not be made in the target: {said[-1]}")


def migrations(*, using: str) -> dict[str, list[str]]:
    """Return the migrations that a database has seen, by app."""
    return _by_app(MigrationRecorder(connections[using]).applied_migrations())


def code_migrations() -> dict[str, list[str]]:
    """Return the migrations that this version of Facewatch has, by app."""
    return _by_app(MigrationLoader(None).disk_migrations)


def check_current(*, using: str) -> None:
    """Raise MovingError unless a database has the tables of this version."""
    if migrations(using=using) != code_migrations():
        raise MovingError(
            "The database has the tables of another version of Facewatch: run manage.py prepare first."
        )


def birthday(*, using: str) -> str:
    """Return when the first migration ran: by this moment an installation is told from others, wherever it moves."""
    first = MigrationRecorder(connections[using]).migration_qs.order_by("applied", "pk")[0]
    return str(first.applied.isoformat())


def set_birthday(moment: str, *, using: str) -> None:
    """Let a database be that of the installation which began at this moment."""
    known = MigrationRecorder(connections[using]).migration_qs
    first = known.order_by("applied", "pk")[0]
    known.filter(pk=first.pk).update(applied=datetime.fromisoformat(moment))


def in_use(*, using: str) -> str:
    """Return the name of a table with rows that a first start does not make; empty if there is none."""
    for table in carried():
        held = rows.count(table, using=using)
        if table.label == "auth.User":
            users = table.model._default_manager.using(using).filter(username="admin")
            # No password, and nobody has set one since.
            made = users.filter(Q(("password__startswith", "!")), last_login=None)
            held -= made.count()
        elif table.label in FURNISHED:
            continue
        if held:
            return table.label
    return ""


def _by_app(keys: Any) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for app, name in sorted(keys):
        names.setdefault(app, []).append(name)
    return names


def _place(config: dict[str, Any]) -> tuple[str, str, str]:
    """Return which database a configuration names."""
    return str(config.get("HOST")), str(config.get("PORT") or 5432), str(config.get("NAME"))


def _check_fit(alias: str) -> None:
    """Raise MovingError unless the database takes all letters, and us making tables."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        (encoding,) = cursor.fetchone()
        cursor.execute(
            "SELECT current_user, current_schema(),"
            " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
        )
        user, schema, may_create = cursor.fetchone()
    if encoding != "UTF8":
        raise MovingError(
            f"The target keeps its texts in {encoding}: make a database with ENCODING 'UTF8'."
        )
    if not may_create:
        schema = schema or "public"
        raise MovingError(
            f"{user} may make no tables in the target: GRANT CREATE ON SCHEMA {schema} TO {user}."
        )


@contextmanager
def _connected(alias: str, config: dict[str, Any]) -> Iterator[None]:
    """Let this thread know a database under an alias, for as long as this lasts."""
    others = {"default": connections["default"].settings_dict}
    complete = connections.configure_settings(others | {alias: config})
    connections.databases[alias] = complete[alias]
    connections[alias] = connections.create_connection(alias)
    # What goes through all databases, such as a command, is not to find this one.
    del connections.databases[alias]
    try:
        yield
    finally:
        connections[alias].close()
        del connections[alias]
