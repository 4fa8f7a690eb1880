"""What some tests need of the database that they run on."""

import pytest
from django.conf import settings

IS_SQLITE = settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
only_pgvector = pytest.mark.skipif(IS_SQLITE, reason="it is about PostgreSQL with pgvector")
only_postgres = pytest.mark.skipif(IS_SQLITE, reason="it is about PostgreSQL")
only_sqlite = pytest.mark.skipif(not IS_SQLITE, reason="it is about SQLite")
