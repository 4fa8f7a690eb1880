import dataclasses
import io
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from PIL import Image as pillow

from demo import photos as demo_photos
from recognition.engine import (
    Box,
    Chip,
    Detection,
    Embeddings,
    Engine,
    Image,
    Keypoints,
    cut_chip,
    decode,
    encode_png,
)
from recognition.engine.chips import LONGEST

PORTRAITS = [
    photo.name for photo in demo_photos.PHOTOS if photo.person and photo.name != "collins.png"
]

#: Faces at most this wide, in pixels, are cut out at full size.
UNSCALED = 158


def store_and_read(chip: Chip) -> Chip:
    return dataclasses.replace(chip, pixels=decode(io.BytesIO(encode_png(chip.pixels))))


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_chip_is_small_and_holds_its_face(
    name: str, photo: Callable[[str], Image], the_face: Callable[[str], Detection]
) -> None:
    face = the_face(name)
    chip = cut_chip(photo(name), face)
    height, width = chip.pixels.shape[:2]
    assert max(height, width) <= LONGEST
    assert 0 < chip.scale <= 1
    assert (chip.scale == 1) == (max(face.box.width, face.box.height) <= UNSCALED)
    assert chip.landmarks.dtype == np.float32
    assert ((chip.landmarks > 0.1 * width) & (chip.landmarks < 0.9 * max(width, height))).all()


def test_a_small_face_is_cut_out_pixel_by_pixel(
    engine: Engine, photo: Callable[[str], Image], the_face: Callable[[str], Detection]
) -> None:
    image, face = photo("macron-2014.jpg"), the_face("macron-2014.jpg")
    chip = store_and_read(cut_chip(image, face))
    whole = Chip(pixels=image, landmarks=face.landmarks, scale=1.0)
    assert chip.scale == 1
    assert np.array_equal(engine.align(chip), engine.align(whole))


def test_a_chip_owns_its_pixels(
    photo: Callable[[str], Image], the_face: Callable[[str], Detection]
) -> None:
    chip = cut_chip(photo("macron-2014.jpg"), the_face("macron-2014.jpg"))
    assert not np.shares_memory(chip.pixels, photo("macron-2014.jpg"))


def test_an_embedding_by_way_of_a_stored_chip_is_as_good_as_one_from_the_photo(
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
    embed_from_photo: Callable[[Image, Detection], Embeddings],
) -> None:
    pictures = [(photo(name), the_face(name)) for name in PORTRAITS]
    direct = np.concatenate([embed_from_photo(*picture) for picture in pictures])
    stored = engine.embed(
        [engine.align(store_and_read(cut_chip(*picture))) for picture in pictures]
    )

    shift = np.diag(engine.distances(direct, stored)) / engine.thresholds.candidate
    assert np.median(shift) < 0.1
    assert shift.max() < 0.13
    # What counts is how far two faces are from each other.
    before, after = engine.distances(direct, direct), engine.distances(stored, stored)
    pairs = tuple(np.array(list(combinations(range(len(pictures)), 2))).T)
    moved = np.abs(before[pairs] - after[pairs]) / engine.thresholds.candidate
    assert np.median(moved) < 0.025
    assert moved.max() < 0.1


@pytest.mark.parametrize("edge", ["left", "right", "top", "bottom"])
def test_at_a_border_the_chip_ends_with_the_photo_and_the_embedding_stays(
    edge: str,
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
    embed_from_photo: Callable[[Image, Detection], Embeddings],
    embed_from_chip: Callable[[Image, Detection], Embeddings],
) -> None:
    image, box = photo("obama-2012.jpg"), the_face("obama-2012.jpg").box
    near = {
        "left": image[:, box.x + 5 :],
        "right": image[:, : box.x + box.width - 5],
        "top": image[box.y + 5 :],
        "bottom": image[: box.y + box.height + 5],
    }[edge]
    near = np.ascontiguousarray(near)
    (face,) = engine.detect(near)
    chip = cut_chip(near, face)
    assert chip.pixels.shape[0] != chip.pixels.shape[1]
    shift = engine.distances(embed_from_photo(near, face), embed_from_chip(near, face))
    assert shift[0, 0] < 0.13 * engine.thresholds.candidate


@pytest.mark.parametrize("degrees", [-40, -20, 20, 40])
def test_a_tilted_face_fits_into_its_chip(
    degrees: int,
    engine: Engine,
    photo: Callable[[str], Image],
    embed_from_photo: Callable[[Image, Detection], Embeddings],
    embed_from_chip: Callable[[Image, Detection], Embeddings],
) -> None:
    image = np.asarray(
        pillow.fromarray(photo("ardern-2018.jpg")).rotate(degrees, pillow.Resampling.BICUBIC)
    )
    found = engine.detect(image)
    # dlib's detector gives up somewhere near 40 degrees; where it finds a face, the chip must hold it.
    assert found or abs(degrees) == 40
    for face in found:
        shift = engine.distances(embed_from_photo(image, face), embed_from_chip(image, face))
        assert shift[0, 0] < 0.13 * engine.thresholds.candidate


@pytest.mark.parametrize("name", PORTRAITS)
def test_another_engine_can_find_the_face_again_in_the_chip(
    name: str,
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
) -> None:
    chip = cut_chip(photo(name), the_face(name))
    (again,) = engine.detect(chip.pixels)
    gaps = np.linalg.norm(again.landmarks - chip.landmarks, axis=1)
    # YuNet's points of one face at two sizes differ by up to 7 % of it; who it is does not.
    assert gaps.max() < 0.08 * again.box.width
    found_again = Chip(pixels=chip.pixels, landmarks=again.landmarks, scale=chip.scale)
    vectors = engine.embed([engine.align(chip), engine.align(found_again)])
    assert engine.distances(vectors[:1], vectors[1:])[0, 0] < 0.4 * engine.thresholds.alert


def test_landmarks_follow_the_pixels_when_a_chip_is_scaled() -> None:
    # A white dot of 21 px at (600, 420) in the dark, which a chip of a box of 600 px scales to about a quarter.
    image = np.zeros((1000, 1400, 3), dtype=np.uint8)
    image[410:431, 590:611] = 255
    spot = (600.0, 420.0)
    face = Detection(
        box=Box(x=350, y=200, width=600, height=600),
        landmarks=np.array([spot] * 5, dtype=np.float32),
        score=1,
        keypoints=Keypoints(left_eye=spot, right_eye=spot, nose=spot),
    )
    chip = cut_chip(image, face)
    rows, columns = np.nonzero(chip.pixels[..., 0] > 127)
    assert chip.scale < 0.3
    assert np.abs(chip.landmarks[0] - [columns.mean(), rows.mean()]).max() < 0.2
