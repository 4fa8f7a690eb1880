"""A photo is decoded no further than it is needed, and places in it are the same at any size."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow

from recognition import engine as engines
from recognition.engine import Detail, Engine, Image, Picture, images, open_photo
from recognition.engine.pictures import as_picture


def counting(width: int, height: int) -> tuple[Picture, list[int]]:
    """A picture, and the parts of its size at which it was read."""
    reads: list[int] = []

    def read(shrink: int) -> Image:
        reads.append(shrink)
        return np.zeros((-(-height // shrink), -(-width // shrink), 3), dtype=np.uint8)

    return Picture(width=width, height=height, read=read), reads


@pytest.mark.parametrize(
    ("longest", "shrink", "read"),
    [
        (4000, 1, 1),
        (4000, 1.9, 1),
        (4000, 2, 2),
        (4000, 25, 2),
        (12000, 3.9, 2),
        (12000, 25, 8),
        (3000, 2, 2),
        (2999, 8, 1),
    ],
)
def test_it_is_read_as_small_as_is_enough_and_no_smaller_than_people_want_to_see_it(
    longest: int, shrink: float, read: int
) -> None:
    picture, reads = counting(longest, 200)
    picture.pixels(shrink=shrink)
    assert reads == [read]


def test_it_is_read_again_only_if_that_is_finer() -> None:
    picture, reads = counting(4000, 3000)
    for shrink in (2, 4, 1, 2, 1):
        picture.pixels(shrink=shrink)
    assert reads == [2, 1]
    assert picture.finest().shape == (3000, 4000, 3)


def test_what_comes_whole_however_it_is_asked_for_is_read_once() -> None:
    reads: list[int] = []

    def read(shrink: int) -> Image:
        reads.append(shrink)
        return np.zeros((3000, 4000, 3), dtype=np.uint8)

    picture = Picture(width=4000, height=3000, read=read)
    assert picture.pixels(shrink=2) is picture.pixels(shrink=1)
    assert reads == [2]


@pytest.mark.parametrize("size", [(1, 3001), (3001, 1), (7, 13000)])
@pytest.mark.parametrize("detail", [Detail.FAST, Detail.BALANCED])
@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_a_jpeg_that_is_a_line_is_searched(
    engine: Engine, size: tuple[int, int], detail: Detail
) -> None:
    file = io.BytesIO()
    pillow.new("RGB", size).save(file, format="JPEG")
    assert engine.detect(open_photo(file), detail=detail) == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_upright_at_any_size(orientation: int) -> None:
    # Red above left, blue below right.
    upright = np.zeros((601, 801, 3), dtype=np.uint8)
    upright[:300, :400, 0] = upright[301:, 401:, 2] = 255
    upright = np.repeat(np.repeat(upright, 5, axis=0), 5, axis=1)
    method = images.UPRIGHT.get(orientation)
    swap = {pillow.Transpose.ROTATE_270: pillow.Transpose.ROTATE_90}
    back = swap | {after: before for before, after in swap.items()}
    stored = pillow.fromarray(upright)
    if method is not None:
        stored = stored.transpose(back.get(method, method))
    file, exif = io.BytesIO(), pillow.Exif()
    exif[0x0112] = orientation
    stored.save(file, format="JPEG", exif=exif)
    picture = open_photo(file)
    half, whole = picture.pixels(shrink=2), picture.pixels()
    assert (picture.width, picture.height) == (4005, 3005)
    assert whole.shape == upright.shape
    assert half.shape == (1503, 2003, 3)
    for pixels in (half, whole):
        assert np.abs(pixels[100, 100].astype(int) - (255, 0, 0)).max() < 10
        assert np.abs(pixels[-100, -100].astype(int) - (0, 0, 255)).max() < 10


def test_what_was_never_asked_for_is_read_whole() -> None:
    picture, reads = counting(4000, 3000)
    assert picture.finest().shape == (3000, 4000, 3)
    assert reads == [1]


@settings(deadline=None)
@given(
    width=st.integers(3001, 3100),
    height=st.integers(1501, 1600),
    left=st.integers(0, 3000),
    top=st.integers(0, 1500),
    shrink=st.sampled_from([1.0, 2.0]),
)
def test_a_part_says_where_it_is_to_the_pixel(
    width: int, height: int, left: int, top: int, shrink: float
) -> None:
    picture, _ = counting(width, height)
    part = picture.view(left=left, top=top, right=left + 300, bottom=top + 200, shrink=shrink)
    across, down = part.scale
    assert part.left <= left < part.left + across
    assert part.top <= top < part.top + down
    right = part.left + part.pixels.shape[1] * across
    # No further than the photo goes.
    assert min(width, left + 300) - 1e-6 <= right <= min(width, left + 300 + across) + 1e-6


def test_pixels_that_are_there_are_not_copied() -> None:
    pixels = np.zeros((2000, 4000, 3), dtype=np.uint8)
    picture = as_picture(pixels)
    assert (picture.width, picture.height) == (4000, 2000)
    assert picture.pixels(shrink=4) is pixels
    assert np.shares_memory(picture.whole().pixels, pixels)
    assert as_picture(picture) is picture


# With the engines


def large(photo: Image, *, longest: int = 4000) -> io.BytesIO:
    """A JPEG of this size."""
    picture, file = pillow.fromarray(photo), io.BytesIO()
    scale = longest / max(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    picture.resize(size).save(file, format="JPEG", quality=95)
    return file


@pytest.mark.parametrize("detail", [Detail.FAST, Detail.BALANCED])
@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_a_large_face_is_found_and_described_alike_in_half_the_pixels(
    engine: Engine, photo: Callable[[str], Image], detail: Detail
) -> None:
    file = large(photo("sunak.jpg"))
    part, whole = open_photo(file), engines.decode(file)
    (seen,), (expected,) = engine.detect(part, detail=detail), engine.detect(whole, detail=detail)
    assert part.finest().shape[0] * 2 == whole.shape[0]
    box = expected.box
    assert np.hypot(*np.subtract(seen.box.centre, box.centre)) < 0.05 * box.width
    assert seen.box.width == pytest.approx(box.width, rel=0.06)
    chips = [engines.cut_chip(part, seen), engines.cut_chip(whole, expected)]
    assert chips[0].scale == pytest.approx(chips[1].scale, rel=0.06)
    vectors = engine.embed([engine.align(chip) for chip in chips])
    assert engine.distances(vectors[:1], vectors[1:])[0, 0] < 0.15 * engine.thresholds.alert
    assert engines.assess(part, seen).value == pytest.approx(
        engines.assess(whole, expected).value, abs=0.1
    )


@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_a_small_face_has_all_of_the_photo_read(
    engine: Engine, photo: Callable[[str], Image]
) -> None:
    sheet = np.full((3000, 4000, 3), 96, dtype=np.uint8)
    small = np.asarray(pillow.fromarray(photo("hopper.jpg")).resize((150, 186)))
    sheet[1200:1386, 900:1050] = small
    picture = open_photo(large(sheet))
    (face,) = engine.detect(picture)
    assert picture.finest().shape == sheet.shape
    assert 900 < face.box.centre[0] < 1050
    assert engines.cut_chip(picture, face).scale == 1
