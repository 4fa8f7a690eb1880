"""Every change reaches every worker before its next search; answers are exact."""

import numpy as np
import pytest
from django.db import transaction

from recognition import gallery, people
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import KnownFace
from tests import make

pytestmark = pytest.mark.django_db


def unit(*axes: int) -> np.ndarray:
    """A vector of ones along some axes, zero along the others."""
    vector = np.zeros(128, np.float32)
    vector[list(axes)] = 1
    return vector


def nearest(known: Gallery, engine: Engine, probe: np.ndarray) -> dict[object, float]:
    found = known.search(probe[None], engine=engine)
    return {
        person: round(float(distance), 3)
        for person, distance in zip(found.people, found.distances[0], strict=True)
        if np.isfinite(distance)
    }


def test_an_empty_gallery_gives_nobody(known: Gallery, engine: Engine) -> None:
    assert known.search(unit(0)[None], engine=engine).distances.shape == (1, 0)


def test_the_distance_to_a_person_is_that_to_their_nearest_face(
    known: Gallery, engine: Engine
) -> None:
    ada, bo = make.person(), make.person("Bo Example")
    make.known_face(ada, vector=unit(0))
    make.known_face(ada, vector=unit(1))
    make.known_face(bo, vector=unit(2))
    assert nearest(known, engine, unit(1)) == {ada.pk: 0.0, bo.pk: 1.0}


def test_a_search_sees_what_was_committed_before_it(known: Gallery, engine: Engine) -> None:
    ada = make.person()
    assert nearest(known, engine, unit(0)) == {}
    face = make.known_face(ada, vector=unit(0))
    assert nearest(known, engine, unit(0)) == {ada.pk: 0.0}
    with transaction.atomic():
        gallery.remove([face])
    assert nearest(known, engine, unit(0)) == {}
    assert len(known) == 0


def test_a_removal_keeps_the_others_in_place(known: Gallery, engine: Engine) -> None:
    everyone = [make.person(f"Person {number}") for number in range(5)]
    faces = [make.known_face(person, vector=unit(number)) for number, person in enumerate(everyone)]
    known.refresh()
    with transaction.atomic():
        gallery.remove([faces[1], faces[4]])
    for number in (0, 2, 3):
        assert nearest(known, engine, unit(number))[everyone[number].pk] == 0.0
    assert len(known) == 3


def test_a_fresh_worker_meets_tombstones_of_faces_it_never_held(
    known: Gallery, engine: Engine
) -> None:
    ada = make.person()
    with transaction.atomic():
        gallery.remove([make.known_face(ada, vector=unit(0))])
    make.known_face(ada, vector=unit(1))
    assert nearest(known, engine, unit(1)) == {ada.pk: 0.0}


def test_it_grows_past_its_first_room(known: Gallery, engine: Engine) -> None:
    everyone = [make.person(f"Person {number}") for number in range(70)]
    for number, person in enumerate(everyone):
        make.known_face(person, vector=unit(number))
    assert nearest(known, engine, unit(69))[everyone[69].pk] == 0.0
    assert len(known) == 70


def test_merging_moves_the_faces_of_every_worker(known: Gallery, engine: Engine) -> None:
    ada, again = make.person(), make.person("Ada E.")
    make.known_face(again, vector=unit(0))
    known.refresh()
    people.merge(again, into=ada)
    assert nearest(known, engine, unit(0)) == {ada.pk: 0.0}


def test_embeddings_of_another_engine_are_not_searched(known: Gallery, engine: Engine) -> None:
    face = make.known_face(make.person(), vector=unit(0))
    type(face.face.embedding).objects.update(engine="another")
    assert nearest(known, engine, unit(0)) == {}


def test_unchanged_costs_one_query(
    known: Gallery, engine: Engine, django_assert_num_queries: object
) -> None:
    make.known_face(make.person(), vector=unit(0))
    known.refresh()
    with django_assert_num_queries(1):  # type: ignore[operator]
        known.search(unit(0)[None], engine=engine)


def test_any_history_gives_what_comparing_each_face_gives(known: Gallery, engine: Engine) -> None:
    random = np.random.default_rng(seed=8)

    def vectors(count: int) -> np.ndarray:
        drawn = random.normal(size=(count, engine.dimensions)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return drawn

    everyone = [make.person(f"Person {number}") for number in range(6)]
    faces: list[KnownFace] = []
    for _ in range(12):
        for vector in vectors(3):
            person = everyone[random.integers(len(everyone))]
            faces.append(make.known_face(person, vector=vector))
        if len(faces) > 4:
            gone = [faces.pop(random.integers(len(faces))) for _ in range(2)]
            with transaction.atomic():
                gallery.remove(gone)
        probes = vectors(4)
        found = known.search(probes, engine=engine)
        for pk, column in zip(found.people, found.distances.T, strict=True):
            own = [known.face.embedding.vector for known in faces if known.person_id == pk]
            if not own:
                assert np.isinf(column).all()
                continue
            rows = np.stack([*own, engine.fuse(np.array(own))])
            assert np.allclose(column, engine.distances(probes, rows).min(axis=1), atol=1e-5)
        assert {face.person_id for face in faces} <= set(found.people)


@pytest.mark.django_db(transaction=True)
def test_a_revision_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError):
        gallery.next_revision()


def test_removing_nothing_changes_nothing() -> None:
    gallery.remove([])
    with transaction.atomic():
        assert gallery.next_revision() == 1
        assert gallery.next_revision() == 2
    assert not KnownFace.objects.exists()
