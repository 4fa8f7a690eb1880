"""Connections to PostgreSQL end when nobody is there any more, and begin again when somebody is."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from facewatch import postgres
from tests.postgres_server import PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


def opened(**given: int) -> dict[str, Any]:
    return postgres.options(
        **{"connections": 2, "silence_seconds": 20, "lease_seconds": 60} | given
    )


def connected(server: PostgresServer, options: dict[str, Any]) -> "psycopg.Connection[Any]":
    arguments = {name: value for name, value in options.items() if name != "pool"}
    return psycopg.connect(server.url, **arguments)


def test_both_ends_ask_after_each_other(server: PostgresServer) -> None:
    with connected(server, opened(silence_seconds=12)) as connection:
        names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout")
        said = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in names]
        assert said == [("6",), ("2",), ("12000",)]
        ours = connection.info.get_parameters()
        assert (ours["keepalives_idle"], ours["tcp_user_timeout"]) == ("6", "12000")


def test_a_transaction_in_which_nothing_is_said_ends_with_the_lease(server: PostgresServer) -> None:
    with connected(server, opened(lease_seconds=1)) as silent:
        silent.execute("CREATE TABLE locked AS SELECT 1 AS id")
        silent.commit()
        silent.execute("UPDATE locked SET id = 2")
        with connected(server, opened()) as other:
            other.execute("SET lock_timeout = '10s'")
            other.execute("UPDATE locked SET id = 3")
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            silent.commit()


def test_a_server_that_is_back_is_used_again_soon(server: PostgresServer) -> None:
    options = opened()
    away_until = time.monotonic() + 7.5
    with ConnectionPool(server.url, open=True, **options["pool"]) as pool:
        server.kill()
        while time.monotonic() < away_until:
            with pytest.raises(PoolTimeout):
                pool.getconn(timeout=1)
        server.start()
        back = time.monotonic()
        pool.putconn(pool.getconn(timeout=20))
        assert time.monotonic() - back < 5
