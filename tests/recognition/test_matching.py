"""A person stands at most once in a photo, and the best total wins."""

import uuid
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition.gallery import PersonDistances
from recognition.matching import MOST_CANDIDATES, assign

PEOPLE = [uuid.UUID(int=number) for number in range(8)]


def found(*rows: list[float]) -> PersonDistances:
    distances = np.array(rows, dtype=np.float32)
    return PersonDistances(people=PEOPLE[: distances.shape[1]], distances=distances)


def chosen(*rows: list[float]) -> list[tuple[int, int, int]]:
    """Face, person and rank of each candidate within 0.6."""
    return [
        (match.face, match.person_id.int, match.rank) for match in assign(found(*rows), limit=0.6)
    ]


def test_nobody_known_gives_nobody() -> None:
    nobody = PersonDistances(people=[], distances=np.empty((2, 0), dtype=np.float32))
    assert assign(nobody, limit=0.6) == []


def test_no_face_gives_nobody() -> None:
    assert (
        assign(
            PersonDistances(people=PEOPLE[:2], distances=np.empty((0, 2), np.float32)), limit=0.6
        )
        == []
    )


def test_candidates_of_a_face_stand_by_distance() -> None:
    assert chosen([0.5, 0.3, 0.4]) == [(0, 1, 1), (0, 2, 2), (0, 0, 3)]


def test_beyond_the_limit_nobody_is_shown_and_at_it_somebody_is() -> None:
    assert chosen([0.61, 0.5]) == [(0, 1, 1)]
    assert [match.distance for match in assign(found([0.5]), limit=0.5)] == [0.5]


def test_a_person_nearest_to_two_faces_goes_to_one() -> None:
    assert chosen([0.2, 0.9], [0.3, 0.9]) == [(0, 0, 1)]


def test_the_best_total_beats_the_best_single_distance() -> None:
    # Face 0 alone would take person 0 (0.30), which leaves face 1 without anybody.
    assert chosen([0.30, 0.35], [0.40, 0.90]) == [(0, 1, 1), (1, 0, 1)]


def test_the_margin_is_to_the_next_other_person() -> None:
    (first, second) = assign(found([0.3, 0.45, 0.8]), limit=0.6)
    assert first.margin == pytest.approx(0.15)
    assert second.margin == pytest.approx(-0.15)
    assert assign(found([0.3]), limit=0.6)[0].margin is None


def test_there_are_at_most_so_many_candidates() -> None:
    assert len(chosen([0.1] * 8)) == MOST_CANDIDATES


#: In thousandths: nearer distances than that are the same to an optimal total.
distance = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(distance, min_size=width, max_size=width), min_size=1, max_size=4
        )
    )
)
def test_whatever_the_distances_each_person_stands_once_and_rank_one_is_optimal(
    rows: list[list[float]],
) -> None:
    limit = 0.6
    matches = assign(found(*rows), limit=limit)
    assert len({match.person_id for match in matches}) == len(matches)
    assert len({(match.face, match.rank) for match in matches}) == len(matches)
    assert all(match.distance <= limit for match in matches)
    for face in range(len(rows)):
        own = [match for match in matches if match.face == face]
        assert [match.rank for match in own] == list(range(1, len(own) + 1))
        assert [match.distance for match in own] == sorted(match.distance for match in own)
    gain = sum(limit - match.distance for match in matches if match.rank == 1)
    assert gain == pytest.approx(best_gain(np.array(rows, dtype=np.float32), limit), abs=1e-5)


def best_gain(distances: np.ndarray, limit: float) -> float:
    """Return the largest total of (limit - distance) over all assignments, by trying them all."""
    gains = np.maximum(limit - distances, 0)
    if gains.shape[0] > gains.shape[1]:
        gains = gains.T
    rows, columns = gains.shape
    return float(
        max(
            sum(gains[row, column] for row, column in enumerate(order))
            for order in permutations(range(columns), rows)
        )
    )
