"""A gallery in an index of PostgreSQL: always fresh, exact in its distances, and not trusted when it misses people."""

from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.db import connection, connections, transaction
from pytest_django import Settings

from recognition import audits, gallery, loaded
from recognition.engine import Engine
from recognition.gallery import indexed, parity, revisions
from recognition.gallery.exact import ExactGallery
from recognition.gallery.indexed import IndexedGallery, NotPrepared
from recognition.models import Embedding, Face, GalleryAudit, GalleryState, KnownFace, Person
from tests import make
from tests.databases import only_pgvector
from tests.make import unit

pytestmark = [
    pytest.mark.django_db,
    only_pgvector,
]


@pytest.fixture
def prepared(engine: Engine) -> None:
    """The table and its index."""
    indexed.prepare(engine.name, tell=lambda _line: None)


@pytest.fixture
def held(engine: Engine, prepared: None) -> IndexedGallery:
    """The gallery of a worker."""
    return IndexedGallery(engine)


def crowd(count: int) -> np.ndarray:
    """Make so many people with a face each, faster than one by one; return their faces."""
    rng = np.random.default_rng(4)
    vectors = rng.standard_normal((count, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    photo = make.photo()
    box = {"x": 1, "y": 1, "width": 9, "height": 9, "score": 1.0, "quality": 0.9}
    faces = Face.objects.bulk_create(
        Face(
            photo=photo,
            index=index,
            engine=settings.ENGINE,
            landmarks=[[0.0, 0.0]] * 5,
            chip_scale=1.0,
            **box,
        )
        for index in range(count)
    )
    Embedding.objects.bulk_create(
        Embedding(face=face, engine=settings.ENGINE, vector=vector)
        for face, vector in zip(faces, vectors, strict=True)
    )
    people = Person.objects.bulk_create(Person(name=f"Person {index}") for index in range(count))
    with transaction.atomic():
        revision = gallery.next_revision()
        KnownFace.objects.bulk_create(
            KnownFace(person=person, face=face, revision=revision)
            for person, face in zip(people, faces, strict=True)
        )
    return vectors


def nearest(held: IndexedGallery, probe: np.ndarray) -> tuple[Any, float]:
    found = held.search(probe[None])
    column = int(found.distances[0].argmin())
    return found.people[column], round(float(found.distances[0, column]), 3)


def plan(probe: np.ndarray) -> str:
    """How PostgreSQL looks for the nearest faces."""
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN SELECT known_face_id FROM recognition_vector"
            " ORDER BY embedding <-> %s::halfvec LIMIT 100",
            [str(probe.tolist())],
        )
        return "\n".join(line for (line,) in cursor.fetchall())


def test_nobody_known_gives_nobody(held: IndexedGallery) -> None:
    assert held.search(unit(0)[None]).distances.shape == (1, 0)


def test_every_change_is_seen_by_the_next_search(held: IndexedGallery) -> None:
    ada, bo = make.person(), make.person("Bo Example")
    first = make.known_face(ada, vector=unit(0))
    make.known_face(bo, vector=unit(1))
    assert nearest(held, unit(0)) == (ada.pk, 0.0)
    second = make.known_face(ada, vector=unit(2))
    assert nearest(held, unit(2)) == (ada.pk, 0.0)
    with transaction.atomic():
        gallery.remove([first, second])
    assert nearest(held, unit(0)) == (bo.pk, 1.0)
    assert indexed.agrees(settings.ENGINE)
    assert len(held) == revisions.sums(settings.ENGINE)[1].faces == 1


def test_what_another_worker_brought_up_is_not_brought_up_again(
    engine: Engine, held: IndexedGallery, django_assert_num_queries: Any
) -> None:
    make.known_face(make.person(), vector=unit(0))
    IndexedGallery(engine).refresh()
    with django_assert_num_queries(1):
        held.refresh()


def test_it_answers_what_comparing_each_face_answers(held: IndexedGallery, engine: Engine) -> None:
    vectors = crowd(600)
    exact = ExactGallery(engine)
    probes = vectors[:40] + 0.05 * vectors[40:80]
    probes = (probes / np.linalg.norm(probes, axis=1, keepdims=True)).astype(np.float32)
    for start in range(0, 40, 4):
        some = probes[start : start + 4]
        by_index, by_each = held.search(some), exact.search(some)
        assert set(by_index.people) == set(by_each.people)
        for person in by_each.people:
            assert np.allclose(
                by_index.distances[:, by_index.people.index(person)],
                by_each.distances[:, by_each.people.index(person)],
                atol=1e-5,
            )


def test_many_faces_are_looked_up_by_the_index(held: IndexedGallery) -> None:
    vectors = crowd(6000)
    held.refresh()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recognition_vector")
    assert "recognition_vector_hnsw" in plan(vectors[0])
    with indexed._searching(index=False):
        assert "recognition_vector_hnsw" not in plan(vectors[0])


def test_an_index_that_misses_people_is_not_used_until_it_is_made_anew(
    held: IndexedGallery,
    engine: Engine,
    settings: Settings,
    mailoutbox: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.OPERATORS = ["ops@example.org"]
    settings.GALLERY = "pgvector"
    vectors = crowd(6000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE recognition_vector")
    with monkeypatch.context() as poor:
        # With so few links and looks most of the graph is out of reach.
        poor.setattr(indexed, "LINKS", 2)
        poor.setattr(indexed, "BUILD_LIST", 4)
        poor.setattr(indexed, "LIST", 4)
        indexed.rebuild(engine.name)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        row = audits.audit(held, engine=engine, probes=60)
        assert (row.held, row.probes, row.is_passed) == ("pgvector", 60, False)
        assert 0 <= row.low <= row.recall < row.high < 1
        assert audits.failed() == row
        (mail,) = mailoutbox
        assert "not used until an audit" in mail.body
        held._looked_at = -indexed.TRUSTED_SECONDS
        assert not held.is_trusted
        found = [int(held.search(one[None]).distances.size > 0) for one in vectors[:20]]
        assert sum(found) == 20
    indexed.rebuild(engine.name)
    row = audits.audit(held, engine=engine, probes=60)
    assert row.is_passed
    assert audits.failed() is None
    held._looked_at = -indexed.TRUSTED_SECONDS
    assert held.is_trusted


def test_a_table_that_lacks_faces_is_made_anew_by_the_audit(
    held: IndexedGallery, engine: Engine
) -> None:
    vectors = crowd(50)
    held.refresh()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM recognition_vector WHERE known_face_id % 2 = 0")
    row = audits.audit(held, engine=engine, probes=40)
    assert row.agreed == row.probes > 20
    assert [nearest(held, vector)[1] for vector in vectors] == [0.0] * 50


def test_a_table_with_wrong_numbers_is_made_anew_by_the_audit(
    held: IndexedGallery, engine: Engine
) -> None:
    vectors = crowd(300)
    held.refresh()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE recognition_vector SET embedding = %s::halfvec", [str([1.0] * 128)])
    row = audits.audit(held, engine=engine, probes=40)
    assert row.is_passed
    assert nearest(held, vectors[7])[1] == 0.0


def test_a_table_that_is_ahead_of_the_database_is_made_anew_by_prepare(
    held: IndexedGallery, engine: Engine
) -> None:
    ada = make.person()
    make.known_face(ada, vector=unit(0))
    before = GalleryState.objects.get().revision
    gone = make.known_face(make.person("Bo Example"), vector=unit(1))
    held.refresh()
    # As if a backup had been restored.
    KnownFace.objects.filter(pk=gone.pk).delete()
    GalleryState.objects.update(revision=before)
    with pytest.raises(NotPrepared, match=r"manage\.py prepare"):
        held.search(unit(1)[None])
    indexed.prepare(engine.name, tell=lambda _line: None)
    assert nearest(held, unit(1)) == (ada.pk, 1.0)
    assert len(held) == 1


def test_a_table_of_another_history_is_noticed_when_a_worker_starts(
    held: IndexedGallery, engine: Engine
) -> None:
    gone = make.known_face(make.person(), vector=unit(0))
    held.refresh()
    # A backup was restored, and others enrolled since: with the same ids, as its sequences were restored too.
    KnownFace.objects.filter(pk=gone.pk).delete()
    came = make.known_face(make.person("Bo Example"), vector=unit(1))
    KnownFace.objects.filter(pk=came.pk).update(id=gone.pk, revision=gone.revision - 1)
    with pytest.raises(NotPrepared, match=r"manage\.py prepare"):
        IndexedGallery(engine)
    indexed.prepare(engine.name, tell=lambda _line: None)
    assert nearest(IndexedGallery(engine), unit(1)) == (came.person_id, 0.0)


def test_somebody_with_very_many_faces_hides_nobody(held: IndexedGallery) -> None:
    ada, bo = make.person(), make.person("Bo Example")
    for number in range(260):
        vector = unit(0)
        vector[1 + number % 120] = 0.01 * (1 + number // 120)
        make.known_face(ada, vector=vector / np.linalg.norm(vector))
    other = unit(0) + unit(127)
    make.known_face(bo, vector=other / np.linalg.norm(other))
    for look in (held.by_index, held.by_each):
        found = look(unit(0)[None])
        assert set(found.people) == {ada.pk, bo.pk}


def test_a_table_that_was_dropped_is_told_and_made_anew_by_prepare(
    held: IndexedGallery, engine: Engine
) -> None:
    make.known_face(make.person(), vector=unit(0))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE recognition_vector")
    with pytest.raises(NotPrepared, match=r"manage\.py prepare"), transaction.atomic():
        IndexedGallery(engine)
    said: list[str] = []
    indexed.prepare(engine.name, tell=said.append)
    assert len(said) == 1
    assert len(IndexedGallery(engine)) == 1


def test_many_changes_are_taken_over_in_steps(
    held: IndexedGallery, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed, "COMMITTED", 2)
    person = make.person()
    for axis in range(7):
        make.known_face(person, vector=unit(axis))
    held.refresh()
    assert indexed.agrees(engine.name)
    assert nearest(held, unit(6)) == (person.pk, 0.0)


def test_the_table_goes_with_the_setting(held: IndexedGallery) -> None:
    indexed.remove()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('recognition_vector')")
        assert cursor.fetchone() == (None,)


@pytest.mark.django_db(transaction=True)
def test_searches_and_enrolments_go_on_while_the_index_is_made_anew(
    engine: Engine, prepared: None
) -> None:
    crowd(400)
    held = IndexedGallery(engine)
    rounds, failures = 0, list[BaseException]()
    is_over = Event()

    def rebuild() -> None:
        try:
            for _ in range(3):
                indexed.rebuild(engine.name)
        except BaseException as error:  # noqa: BLE001 (whatever it is, the test tells it)
            failures.append(error)
        finally:
            connections.close_all()
            is_over.set()

    thread = Thread(target=rebuild)
    thread.start()
    while not is_over.is_set() or rounds < 5:
        rounds += 1
        face = make.known_face(make.person(f"New {rounds}"), vector=unit(rounds % 128))
        found = held.search(unit(rounds % 128)[None])
        assert face.person_id in found.people
        if rounds % 3 == 0:
            with transaction.atomic():
                gallery.remove([face])
    thread.join(60)
    assert failures == []
    assert indexed.agrees(engine.name)
    assert IndexedGallery(engine).search(unit(0)[None]).people
    indexed.remove()


def test_a_second_preparation_changes_nothing(held: IndexedGallery, engine: Engine) -> None:
    make.known_face(make.person(), vector=unit(0))
    held.refresh()
    said: list[str] = []
    indexed.prepare(engine.name, tell=said.append)
    assert said == []
    assert len(held) == 1


def test_another_engine_starts_with_an_empty_table(held: IndexedGallery, engine: Engine) -> None:
    make.known_face(make.person(), vector=unit(0))
    held.refresh()
    indexed.prepare("dlib", tell=lambda _line: None)
    assert len(held) == 0
    with pytest.raises(NotPrepared, match=r"manage\.py prepare"):
        held.search(unit(0)[None])


def test_a_worker_without_the_table_does_not_start(engine: Engine, settings: Settings) -> None:
    settings.GALLERY = "pgvector"
    loaded.known.cache_clear()
    try:
        with pytest.raises(NotPrepared, match=r"manage\.py prepare"):
            loaded.start()
    finally:
        loaded.known.cache_clear()


def test_faces_deleted_past_the_gallery_are_nobody(held: IndexedGallery) -> None:
    gone = make.known_face(make.person(), vector=unit(0))
    stays = make.known_face(make.person("Bo Example"), vector=unit(1))
    held.refresh()
    # As a cascade of the database does, which leaves no tombstone.
    KnownFace.objects.filter(pk=gone.pk).delete()
    assert nearest(held, unit(0)) == (stays.person_id, 1.0)


def test_there_is_trust_before_the_first_audit_and_by_the_last_one(engine: Engine) -> None:
    facts = {"engine": engine.name, "faces": 1, "probes": 1, "agreed": 0, "low": 0.0, "high": 0.9}
    assert parity.is_trusted(engine=engine.name, held="pgvector")
    GalleryAudit.objects.create(held="pgvector", is_passed=False, **facts)
    assert not parity.is_trusted(engine=engine.name, held="pgvector")
    assert parity.is_trusted(engine=engine.name, held="exact")
    GalleryAudit.objects.create(held="pgvector", is_passed=True, **facts)
    assert parity.is_trusted(engine=engine.name, held="pgvector")
