"""Statements that are put together once do what Django's own do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ledger import leases, statements
from recognition import publishing
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.models import Photo
from tests import make
from tests.databases import only_postgres

pytestmark = pytest.mark.django_db


def on_commit() -> str:
    """Whether this transaction will wait for the disk."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        return str(cursor.fetchone()[0])


def test_the_row_that_comes_back_is_the_one_that_is_stored() -> None:
    photo = make.photo(stage="uploaded", captured_at=timezone.now(), owner=make.user())
    lease = leases.claim(Photo, photo.pk, stage="uploaded")
    assert lease is not None
    stored = Photo.objects.get()
    names = [field.attname for field in Photo._meta.concrete_fields]
    assert [getattr(lease.row, name) for name in names] == [getattr(stored, name) for name in names]
    assert not lease.row._state.adding


def test_each_time_has_values_of_its_own() -> None:
    rows = Photo.objects.filter(pk=statements.given(Photo, "pk"))
    later = statements.given(Photo, "now", like="next_try_at") + timedelta(hours=1)
    statement = statements.update(rows, {"next_try_at": later})
    for _ in range(2):
        now = timezone.now()
        photo = make.photo()
        assert statement.send(pk=photo.pk, now=now) == 1
        photo.refresh_from_db()
        assert photo.next_try_at == now + timedelta(hours=1)


def test_what_the_ledger_asks_for_a_photo(django_assert_num_queries: Any) -> None:
    photo = make.photo(stage="uploaded")
    with django_assert_num_queries(5):
        for stage, following in (("uploaded", "detected"), ("detected", "done")):
            lease = leases.claim(Photo, photo.pk, stage=stage)
            assert lease is not None
            leases.finish(lease, stage=following)
        publishing.note_heard(photo.pk)
    photo.refresh_from_db()
    assert photo.published_at is not None


@only_postgres
def test_a_claim_does_not_wait_for_the_disk_and_its_outcome_does() -> None:
    photo = make.photo(stage="uploaded")
    with transaction.atomic():
        lease = leases.claim(Photo, photo.pk, stage="uploaded")
        assert on_commit() == "off"
        transaction.set_rollback(True)
    assert on_commit() == "on"
    lease = leases.claim(Photo, photo.pk, stage="uploaded")
    assert lease is not None
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = on")
    leases.finish(lease, stage="done")
    assert on_commit() == "on"


@only_postgres
def test_a_known_face_waits_for_the_disk_and_a_sighting_does_not(
    engine: Engine, known: ExactGallery
) -> None:
    person = make.person("Barack Obama")
    for name, enrolled, waits in (
        ("obama-2009.jpg", person, True),
        ("obama-2012.jpg", None, False),
    ):
        photo = make.upload(name, person=enrolled)
        with CaptureQueriesContext(connection) as queries:
            make.recognised(photo, engine=engine, known=known)
        updates = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
        (done,) = [sql for sql in updates if "\"stage\" = 'done'" in sql]
        assert ("synchronous_commit" not in done) == waits
