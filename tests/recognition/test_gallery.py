"""Every change reaches every worker before its next search; answers are exact."""

import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from django.db import transaction

from recognition import gallery, people
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.gallery.faces import FEW
from recognition.models import KnownFace
from tests import make
from tests.make import unit

pytestmark = pytest.mark.django_db


def nearest(known: ExactGallery, engine: Engine, probe: np.ndarray) -> dict[object, float]:
    found = known.search(probe[None])
    return {
        person: round(float(distance), 3)
        for person, distance in zip(found.people, found.distances[0], strict=True)
        if np.isfinite(distance)
    }


def test_an_empty_gallery_gives_nobody(known: ExactGallery, engine: Engine) -> None:
    assert known.search(unit(0)[None]).distances.shape == (1, 0)


def test_the_distance_to_a_person_is_that_to_their_nearest_face(
    known: ExactGallery, engine: Engine
) -> None:
    ada, bo = make.person(), make.person("Bo Example")
    make.known_face(ada, vector=unit(0))
    make.known_face(ada, vector=unit(1))
    make.known_face(bo, vector=unit(2))
    assert nearest(known, engine, unit(1)) == {ada.pk: 0.0, bo.pk: 1.0}


def test_a_search_sees_what_was_committed_before_it(known: ExactGallery, engine: Engine) -> None:
    ada = make.person()
    assert nearest(known, engine, unit(0)) == {}
    face = make.known_face(ada, vector=unit(0))
    assert nearest(known, engine, unit(0)) == {ada.pk: 0.0}
    with transaction.atomic():
        gallery.remove([face])
    assert nearest(known, engine, unit(0)) == {}
    assert len(known) == 0


def test_a_removal_keeps_the_others_in_place(known: ExactGallery, engine: Engine) -> None:
    everyone = [make.person(f"Person {number}") for number in range(5)]
    faces = [make.known_face(person, vector=unit(number)) for number, person in enumerate(everyone)]
    known.refresh()
    with transaction.atomic():
        gallery.remove([faces[1], faces[4]])
    for number in (0, 2, 3):
        assert nearest(known, engine, unit(number))[everyone[number].pk] == 0.0
    assert len(known) == 3


def test_a_fresh_worker_meets_tombstones_of_faces_it_never_held(
    known: ExactGallery, engine: Engine
) -> None:
    ada = make.person()
    with transaction.atomic():
        gallery.remove([make.known_face(ada, vector=unit(0))])
    make.known_face(ada, vector=unit(1))
    assert nearest(known, engine, unit(1)) == {ada.pk: 0.0}


def test_it_grows_past_its_first_room(known: ExactGallery, engine: Engine) -> None:
    everyone = [make.person(f"Person {number}") for number in range(70)]
    for number, person in enumerate(everyone):
        make.known_face(person, vector=unit(number))
    assert nearest(known, engine, unit(69))[everyone[69].pk] == 0.0
    assert len(known) == 70


def test_merging_moves_the_faces_of_every_worker(known: ExactGallery, engine: Engine) -> None:
    ada, again = make.person(), make.person("Ada E.")
    make.known_face(again, vector=unit(0))
    known.refresh()
    people.merge(again, into=ada)
    assert nearest(known, engine, unit(0)) == {ada.pk: 0.0}


def test_embeddings_of_another_engine_are_not_searched(known: ExactGallery, engine: Engine) -> None:
    face = make.known_face(make.person(), vector=unit(0))
    type(face.face.embedding).objects.update(engine="another")
    assert nearest(known, engine, unit(0)) == {}


def test_unchanged_costs_one_query(
    known: ExactGallery, engine: Engine, django_assert_num_queries: object
) -> None:
    make.known_face(make.person(), vector=unit(0))
    known.refresh()
    with django_assert_num_queries(1):  # type: ignore[operator]
        known.search(unit(0)[None])


def matter(
    faces: list[KnownFace], probes: np.ndarray, *, engine: Engine
) -> dict[uuid.UUID, np.ndarray]:
    """Who matters, by comparing the probes with each face: the two nearest of each, and who is a candidate of any."""
    everyone = {known.person_id for known in faces}
    found = {}
    for pk in everyone:
        own = [known.face.embedding.vector for known in faces if known.person_id == pk]
        rows = np.stack([*own, engine.fuse(np.array(own))])
        found[pk] = engine.distances(probes, rows).min(axis=1)
    second = np.sort(np.stack(list(found.values())), axis=0)[1]
    reach = np.maximum(second, engine.thresholds.candidate)
    return {pk: column for pk, column in found.items() if (column <= reach).any()}


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"apart": 3},
        {"apart": 0, "least_above": 0},
        {"apart": 3, "least_above": 0, "mapped_from": 5},
        {"apart": 9, "least_above": 7, "mapped_from": 5},
    ],
    ids=["apart", "above", "merged", "mapped", "mapped and above"],
)
def test_any_history_gives_what_comparing_each_face_gives(
    engine: Engine, tmp_path: Path, kept: dict[str, int]
) -> None:
    random = np.random.default_rng(seed=8)
    centres = random.normal(size=(12, engine.dimensions))

    def near(number: int) -> np.ndarray:
        """A face that is like others of this number."""
        vector = (centres[number] + random.normal(size=engine.dimensions)).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector))

    known = ExactGallery(engine, folder=tmp_path, **kept)
    everyone = [make.person(f"Person {number}") for number in range(12)]
    faces: list[KnownFace] = []
    most = 0
    for step in range(25):
        for _ in range(4):
            # Some have very many faces, some one.
            number = int(random.integers(12, size=2).min())
            faces.append(make.known_face(everyone[number], vector=near(number)))
        gone = [faces.pop(random.integers(len(faces))) for _ in range(2)]
        with transaction.atomic():
            gallery.remove(gone)
        if step == 20:
            people.merge(everyone[11], into=everyone[2])
            faces = list(KnownFace.objects.select_related("face__embedding"))
        probes = np.stack([near(number) for number in random.integers(12, size=4).tolist()])
        found = known.search(probes)
        known.settle()
        expected = matter(faces, probes, engine=engine)
        assert set(found.people) == set(expected)
        for pk, column in zip(found.people, found.distances.T, strict=True):
            assert np.allclose(column, expected[pk], atol=1e-5)
        assert len(known) == len(faces)
        most = max(most, len(found.people))
    assert 2 < most < 11
    assert max(Counter(face.person_id for face in faces).values()) > FEW
    assert known.is_mapped == ("mapped_from" in kept)


@pytest.mark.django_db(transaction=True)
def test_a_revision_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError):
        gallery.next_revision()


def test_removing_nothing_changes_nothing() -> None:
    gallery.remove([])
    with transaction.atomic():
        assert 0 < gallery.next_revision() < gallery.next_revision()
    assert not KnownFace.objects.exists()
