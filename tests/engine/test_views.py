"""What a detector is shown maps back to the photo, and no part of the photo is left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import merging, views

#: A white mark of so many pixels, to be found again.
MARK = 40


@settings(deadline=None)
@given(
    width=st.integers(300, 1500),
    height=st.integers(300, 1500),
    scale=st.floats(0.5, 5),
    largest=st.integers(250, 700),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
    quarters=st.integers(0, 3),
)
def test_a_mark_is_whole_in_one_tile_and_maps_back_within_two_pixels(
    *,
    width: int,
    height: int,
    scale: float,
    largest: int,
    across: float,
    down: float,
    quarters: int,
) -> None:
    left, top = round(across * (width - MARK)), round(down * (height - MARK))
    photo = np.zeros((height, width, 3), dtype=np.uint8)
    photo[top : top + MARK, left : left + MARK] = 255
    overlap = round(MARK / scale) + 2 * views.RIM + 4
    whole = []
    for view in views.cut(photo, scale=scale, largest=largest, overlap=overlap):
        assert max(view.pixels.shape[:2]) <= largest + 1
        size = {"width": view.pixels.shape[1], "height": view.pixels.shape[0]}
        ys, xs = np.nonzero(views.turn(view.pixels, quarters)[:, :, 0] > 127)
        if not len(xs):
            continue
        seen = (xs.min(), ys.min(), xs.max() + 1 - xs.min(), ys.max() + 1 - ys.min())
        box = views.turn_box_back(seen, quarters=quarters, **size)
        if view.cuts(box, photo=photo):
            continue
        x, y, wide, high = view.box_to_photo(box)
        error = np.array([x - left, y - top, x + wide - left - MARK, y + high - top - MARK])
        # Two pixels of the photo, or one of the view where that is coarser.
        assert np.abs(error).max() <= max(2.0, scale), error
        middle = np.array([[xs.mean(), ys.mean()]], dtype=np.float32)
        points = view.to_photo(views.turn_back(middle, quarters=quarters, **size))
        assert np.abs(points - [left + (MARK - 1) / 2, top + (MARK - 1) / 2]).max() <= 2
        whole.append(view)
    assert whole


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3000, 4000)])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.3])
def test_tiles_cover_the_photo_and_are_of_one_size(shape: tuple[int, int], scale: float) -> None:
    photo = np.zeros((*shape, 3), dtype=np.uint8)
    covered = np.zeros(shape, dtype=bool)
    sizes = set()
    for view in views.cut(photo, scale=scale, largest=400, overlap=50):
        height, width = view.pixels.shape[:2]
        bottom, right = view.top + height * view.scale[1], view.left + width * view.scale[0]
        covered[view.top : round(bottom), view.left : round(right)] = True
        sizes.add((height, width))
    assert covered.all()
    assert len(sizes) == 1


def test_a_photo_as_it_is_is_not_copied() -> None:
    photo = np.zeros((100, 200, 3), dtype=np.uint8)
    (view,) = views.cut(photo, scale=1, largest=200, overlap=10)
    assert np.shares_memory(view.pixels, photo)
    assert views.turn(photo, 0) is photo


@pytest.mark.parametrize(
    ("longest", "scales"), [(500, [1]), (640, [1]), (641, [1, 5]), (4000, [1, 5, 25])]
)
def test_the_coarsest_look_shows_the_whole_photo_small(longest: int, scales: list[float]) -> None:
    assert views.levels(longest, scale=1, step=5, least=640) == scales
    assert longest / scales[-1] <= 640


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def test_of_two_boxes_of_one_face_the_surer_is_kept() -> None:
    twice = boxes((10, 10, 100, 100), (15, 12, 100, 100), (300, 10, 100, 100))
    assert merging.surest(twice, np.array([0.7, 0.9, 0.8], dtype=np.float32)) == [1, 2]


def test_a_part_of_a_face_inside_it_goes() -> None:
    part = boxes((0, 0, 300, 300), (100, 100, 60, 60))
    assert merging.surest(part, np.array([0.8, 0.7], dtype=np.float32)) == [0]
    assert merging.surest(part, np.array([0.7, 0.8], dtype=np.float32)) == [1]


def test_neighbours_that_touch_are_both_kept() -> None:
    row = boxes((0, 0, 100, 100), (80, 0, 100, 100), (160, 30, 100, 100))
    assert merging.surest(row, np.array([0.7, 0.9, 0.8], dtype=np.float32)) == [1, 2, 0]


def test_nothing_seen_is_nothing_kept() -> None:
    assert merging.surest(boxes(), np.empty(0, dtype=np.float32)) == []
