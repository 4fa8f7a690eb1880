"""PostgreSQL and Redis for a run of the tests on real servers: `make test ON=servers`.

Each process of a parallel run has its own, which end with it.
"""

import atexit
import os
from functools import cache
from itertools import count

from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

#: Whether this run is on them.
ARE_USED = os.environ.get("TESTS_ON") == "servers"
#: More than tests start installations.
REDIS_DATABASES = 1000
_numbers = count(1)


@cache
def postgres() -> PostgresServer:
    """The PostgreSQL of this process."""
    server = PostgresServer().start()
    atexit.register(server.stop)
    return server


@cache
def redis() -> RedisServer:
    """The Redis of this process."""
    server = RedisServer(databases=str(REDIS_DATABASES)).start()
    atexit.register(server.stop)
    return server


def environment() -> dict[str, str]:
    """Return the variables by which an installation has an empty database and an empty queue of its own."""
    address = redis().url.rpartition("/")[0]
    return {"DATABASE_URL": postgres().create(), "REDIS_URL": f"{address}/{next(_numbers)}"}
