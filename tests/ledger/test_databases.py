"""What a process forks shares no connection with it."""

import pytest
from django.db import connection

from ledger import databases
from recognition.models import Photo


@pytest.mark.django_db(transaction=True)
def test_nothing_is_held_after_letting_go_and_the_next_query_connects_anew() -> None:
    assert not Photo.objects.exists()
    held = connection.connection
    assert held is not None
    databases.let_go()
    assert connection.connection is None
    # Of PostgreSQL the pool is gone as well.
    assert not getattr(connection, "_connection_pools", {})
    assert not Photo.objects.exists()
    assert connection.connection is not held
