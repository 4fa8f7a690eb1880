"""The rates of an evaluation, on made-up faces whose right answers can be counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from recognition import engine as engines
from recognition.engine import Engine
from recognition.evaluation import identification, verification
from recognition.evaluation.faces import EvaluationError, Faces, collect, list_photos
from recognition.evaluation.verification import Pairs


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engines.load("opencv")


def crowd(*, people: int, photos: int, spread: float, seed: int = 0) -> Faces:
    """Made-up people: unit vectors, each photo `spread` away from its person in a direction of its own."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(people, 128))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noise = rng.normal(size=(people, photos, 128)) / np.sqrt(128)
    vectors = (centres[:, None] + spread * noise).reshape(-1, 128)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Faces(
        paths=[
            Path(f"person_{person}/person_{person}_{photo:04d}.jpg")
            for person in range(people)
            for photo in range(1, photos + 1)
        ],
        people=np.repeat(np.arange(people), photos),
        found=np.ones(people * photos, dtype=bool),
        embeddings=vectors.astype(np.float32),
    )


# Verification


def test_the_best_threshold_calls_most_pairs_right() -> None:
    distances = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    same = np.array([True, True, False, True, False, False])
    best = verification.best_threshold(distances, same)
    assert ((distances <= best) == same).sum() == 5
    # 0.45 would do as well.
    assert best == pytest.approx(0.25)


def test_of_many_thresholds_that_are_almost_the_best_it_is_the_middle_one() -> None:
    near, far = np.linspace(0.1, 0.4, 5000), np.linspace(0.6, 0.9, 5000)
    # Between them ten pairs of each, mixed: every threshold there is as good as another, but for chance.
    mixed = np.linspace(0.41, 0.59, 20)
    distances = np.concatenate([near, far, mixed])
    same = np.concatenate([near < 1, far < 0, np.arange(20) % 2 == 0])
    assert verification.best_threshold(distances, same) == pytest.approx(0.5, abs=0.02)


def test_pairs_at_one_distance_are_called_alike() -> None:
    distances, same = np.array([0.2, 0.2, 0.2]), np.array([True, True, False])
    best = verification.best_threshold(distances, same)
    assert best >= 0.2


def test_rates_are_counted_at_the_largest_distance_that_keeps_them() -> None:
    different = np.arange(1, 1001) / 1000 + 0.5
    same = np.array([0.1, 0.502, 0.5105, 0.9])
    judged = verification.judge(same, different, accuracy=0, accuracy_sd=0, threshold=0)
    for rate, limit in judged.threshold_at_far.items():
        assert (different <= limit).mean() <= rate
    # 10 of 1,000 may pass at 1e-2: up to 0.510, not 0.511; one at 1e-3; none at 1e-4.
    assert judged.tar_at_far == {1e-2: 0.75, 1e-3: 0.25, 1e-4: 0.25}
    assert judged.threshold_at_far[1e-2] == pytest.approx(0.511)


def test_equal_error_rate_is_where_both_errors_meet() -> None:
    same, different = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.5, 0.7, 0.8, 0.9])
    assert verification.equal_error_rate(same, different) == 0.25
    assert verification.equal_error_rate(same, different + 1) == 0


def test_accuracy_is_judged_by_folds_and_a_missed_face_is_two_people(engine: Engine) -> None:
    faces = crowd(people=40, photos=4, spread=0.2)
    pairs = verification.draw_pairs(faces, seed=3)
    sure = verification.verify(faces, pairs, engine=engine)
    assert (sure.accuracy, sure.accuracy_sd, sure.eer) == (1, 0, 0)
    faces.found[pairs.first[pairs.same][0]] = False
    missed = verification.verify(faces, pairs, engine=engine)
    assert 0.95 < missed.accuracy < 1
    assert np.isinf(missed.same).any()
    assert missed.tar_at_far[1e-2] == pytest.approx(np.isfinite(missed.same).mean())


def test_drawn_pairs_are_fair_and_the_same_for_the_same_seed() -> None:
    faces = crowd(people=30, photos=3, spread=0.2)
    pairs, again = (verification.draw_pairs(faces, seed=1) for _ in range(2))
    assert np.array_equal(pairs.first, again.first)
    assert pairs.same.mean() == 0.5
    assert ((faces.people[pairs.first] == faces.people[pairs.second]) == pairs.same).all()
    assert (pairs.first != pairs.second).all()
    for fold in range(10):
        inside = pairs.fold == fold
        mine = set(faces.people[pairs.first[inside]]) | set(faces.people[pairs.second[inside]])
        outside = set(faces.people[pairs.first[~inside]]) | set(faces.people[pairs.second[~inside]])
        assert mine
        assert not mine & outside


def test_every_pair_is_counted_once(engine: Engine) -> None:
    faces = crowd(people=50, photos=12, spread=0.3)
    faces.found[0] = False
    same, different = verification.all_pairs(faces, engine=engine)
    assert len(same) == 50 * 66 - 11
    assert len(same) + len(different) == 599 * 598 // 2
    exact = engine.distances(faces.embeddings[1:2], faces.embeddings[2:3])[0, 0]
    assert np.abs(same - exact).min() < 1e-5


def write_pairs(folder: Path, text: str) -> Path:
    file = folder / "pairs.txt"
    file.write_text(text)
    return file


def test_a_list_of_pairs_is_read_in_lfws_format(tmp_path: Path) -> None:
    faces = crowd(people=3, photos=2, spread=0.2)
    file = write_pairs(
        tmp_path,
        "2\t1\nperson_0\t1\t2\nperson_0\t1\tperson_1\t2\nperson_2\t2\t1\nperson_1\t1\tperson_2\t1\n",
    )
    pairs = verification.read_pairs(file, faces)
    assert pairs.first.tolist() == [0, 0, 5, 2]
    assert pairs.second.tolist() == [1, 3, 4, 4]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.fold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the first line"),
        ("ten\n", "the first line"),
        ("1\t1\nperson_0\t1\n", "line 2: not a pair"),
        (
            "1\t1\nperson_0\t1\t2\nperson_0\t1\tnobody\t7\n",
            "line 3: there is no photo 'nobody_0007'",
        ),
        ("1\t1\nperson_0\t1\t2\n", "has 1 pairs"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    faces = crowd(people=2, photos=2, spread=0.2)
    with pytest.raises(EvaluationError, match=complaint):
        verification.read_pairs(write_pairs(tmp_path, text), faces)


# Identification


def test_strangers_and_missed_people_are_counted_at_the_threshold() -> None:
    strangers = np.array([0.9, 0.4, 0.6, 0.8])
    limit = identification.threshold_at(strangers, 0.25)
    assert (strangers <= limit).sum() == 1
    assert 0.4 < limit < 0.6
    assert (strangers <= identification.threshold_at(strangers, 0.2)).sum() == 0


def test_a_person_is_as_far_as_the_nearest_photo_or_the_template() -> None:
    to_faces = np.array([[0.5, 0.2, 0.9], [0.1, 0.3, 0.4]], dtype=np.float32)
    to_templates = np.array([[0.3, 0.9], [0.05, 0.4]], dtype=np.float32)
    distances = engines.person_distances(to_faces, np.array([0, 2]), to_templates)
    assert np.allclose(distances, [[0.2, 0.9], [0.05, 0.4]])


def test_clear_faces_make_no_errors(engine: Engine) -> None:
    faces = crowd(people=40, photos=5, spread=0.2)
    found = identification.identify(faces, engine=engine, gallery=10, photos=3, draws=3, seed=1)
    assert found is not None
    assert (found.mated_searches, found.strangers_searches) == (20, 150)
    assert [(rate.fnir, rate.low, rate.high) for rate in found.rates] == [(0, 0, 0)] * 4
    assert found.fpir_at(0.3) == 0
    assert found.fpir_at(2) == 1
    assert found.fnir_at(0) == 1


def test_hard_faces_make_errors_that_fall_as_more_strangers_are_let_through(engine: Engine) -> None:
    faces = crowd(people=60, photos=5, spread=1.6)
    found = identification.identify(faces, engine=engine, gallery=20, photos=3, draws=4, seed=1)
    assert found is not None
    fnir = [rate.fnir for rate in found.rates]
    assert fnir == sorted(fnir, reverse=True)
    assert fnir[0] > fnir[-1] > 0
    for rate in found.rates:
        assert rate.low <= rate.fnir <= rate.high
        assert rate.low < rate.high
        assert found.fpir_at(rate.threshold) <= rate.fpir + 0.02


def test_a_photo_without_a_face_finds_nobody_and_is_missed(engine: Engine) -> None:
    faces = crowd(people=12, photos=4, spread=0.1)
    faces.found[3::4] = False
    found = identification.identify(faces, engine=engine, gallery=5, photos=2, draws=2, seed=1)
    assert found is not None
    # Of two further photos of each person one has no face.
    assert {rate.fnir for rate in found.rates} == {0.5}


def test_who_has_one_photo_is_watched_but_not_searched_for(engine: Engine) -> None:
    faces = crowd(people=10, photos=1, spread=0.1)
    more = crowd(people=10, photos=2, spread=0.1, seed=9)
    both = Faces(
        paths=faces.paths + more.paths,
        people=np.concatenate([faces.people, more.people + 10]),
        found=np.concatenate([faces.found, more.found]),
        embeddings=np.concatenate([faces.embeddings, more.embeddings]),
    )
    found = identification.identify(both, engine=engine, gallery=19, photos=1, draws=1, seed=1)
    assert found is not None
    assert (found.mated_searches, found.strangers_searches) == (10, 1)


def test_too_few_people_leave_no_strangers(engine: Engine) -> None:
    faces = crowd(people=10, photos=4, spread=0.1)
    arguments = {"photos": 3, "draws": 1, "seed": 1}
    assert identification.identify(faces, engine=engine, gallery=10, **arguments) is None
    assert identification.identify(faces, engine=engine, gallery=9, **arguments) is not None


# Folders


def test_a_folder_of_one_person_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jpg").touch()
    with pytest.raises(EvaluationError, match="fewer than two people"):
        list_photos(tmp_path)


def test_photos_without_any_face_are_refused() -> None:
    with pytest.raises(EvaluationError, match="No photo has a face"):
        collect([Path("a/1.jpg"), Path("b/1.jpg")], [None, None])


def test_nobody_with_two_photos_makes_no_pairs() -> None:
    with pytest.raises(EvaluationError, match="Nobody has two photos"):
        verification.draw_pairs(crowd(people=5, photos=1, spread=0.1), seed=1)


def test_pairs_keep_their_shape() -> None:
    pairs = verification.draw_pairs(crowd(people=5, photos=2, spread=0.1), seed=1)
    assert isinstance(pairs, Pairs)
    assert pairs.first.shape == pairs.second.shape == pairs.same.shape == pairs.fold.shape
