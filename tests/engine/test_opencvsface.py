"""What OpenCV's engine does its own way."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as pillow

from recognition.engine import Chip, Detail, Engine, Image, cut_chip
from recognition.engine.candidates import MOST_CANDIDATES

pytestmark = pytest.mark.parametrize("engine", ["opencv"], indirect=True)


def test_distances_are_one_minus_cosine(engine: Engine) -> None:
    vectors = np.random.default_rng(seed=5).normal(size=(300, 128)).astype(np.float32)
    crowd = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = 1 - crowd[:20].astype(np.float64) @ crowd.astype(np.float64).T
    distances = engine.distances(crowd[:20], crowd)
    assert distances.shape == (20, 300)
    assert distances.dtype == np.float32
    assert np.abs(distances - exact).max() < 1e-6


def test_embeddings_have_length_one_and_a_mirrored_face_is_near(
    engine: Engine, photo: Callable[[str], Image]
) -> None:
    image = photo("hopper.jpg")
    (face,) = engine.detect(image)
    aligned = engine.align(cut_chip(image, face))
    vectors = engine.embed([aligned, np.ascontiguousarray(aligned[:, ::-1])])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert engine.distances(vectors[:1], vectors[1:])[0, 0] < 0.5 * engine.thresholds.alert


def test_what_lies_outside_a_chip_is_black(engine: Engine) -> None:
    # Eyes close to the upper edge of a white chip.
    landmarks = np.array([[30, 2], [70, 2], [50, 25], [34, 45], [66, 45]], dtype=np.float32)
    white = np.full((100, 100, 3), 255, dtype=np.uint8)
    aligned = engine.align(Chip(pixels=white, landmarks=landmarks, scale=1.0))
    assert (aligned[0] == 0).all()
    assert (aligned[70, 40:70] == 255).all()


@pytest.mark.parametrize("longest", [320, 640, 1000, 1600, 3000])
@pytest.mark.parametrize("margin", [0.2, 0.5])
@pytest.mark.parametrize("name", ["obama-2012.jpg", "ardern-2018.jpg", "hopper.jpg"])
def test_a_face_that_fills_the_photo_is_one_face_at_any_size(
    engine: Engine, photo: Callable[[str], Image], name: str, margin: float, longest: int
) -> None:
    image = photo(name)
    (face,) = engine.detect(image)
    box, rim = face.box, round(margin * face.box.height)
    crop = image[
        max(0, box.y - rim) : box.y + box.height + rim,
        max(0, box.x - rim) : box.x + box.width + rim,
    ]
    scale = longest / max(crop.shape[:2])
    size = round(crop.shape[1] * scale), round(crop.shape[0] * scale)
    (close,) = engine.detect(np.asarray(pillow.fromarray(crop).resize(size)))
    assert close.score > 0.7
    assert close.box.height == pytest.approx(scale * box.height, rel=0.2)


def test_a_helmet_is_no_face(engine: Engine, photo: Callable[[str], Image]) -> None:
    assert len(engine.detect(photo("collins.png"))) == 1


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    longest=st.integers(450, 2500),
    across=st.floats(0, 1),
    down=st.floats(0, 1),
    height=st.integers(60, 300),
)
def test_a_face_has_its_box_wherever_it_stands_in_whatever_photo(
    engine: Engine,
    photo: Callable[[str], Image],
    longest: int,
    across: float,
    down: float,
    height: int,
) -> None:
    image = photo("hopper.jpg")
    (face,) = engine.detect(image)
    scale = height / face.box.height
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    small = np.asarray(pillow.fromarray(image).resize(size, pillow.Resampling.LANCZOS))
    longest = max(longest, *size)
    sheet = np.full((longest, longest, 3), 96, dtype=np.uint8)
    left, top = round(across * (longest - size[0])), round(down * (longest - size[1]))
    sheet[top : top + size[1], left : left + size[0]] = small
    (found,) = engine.detect(sheet)
    expected = np.array([face.box.x, face.box.y, face.box.width, face.box.height]) * scale
    seen = [found.box.x - left, found.box.y - top, found.box.width, found.box.height]
    # Two pixels, and what it costs to see a face at another size.
    assert np.abs(np.array(seen) - expected).max() <= 2 + 0.04 * height


def test_of_a_crowd_that_would_keep_a_worker_for_minutes_the_surest_are_taken(
    engine: Engine, photo: Callable[[str], Image]
) -> None:
    image = photo("hopper.jpg")
    (face,) = engine.detect(image)
    box = face.box
    crop = pillow.fromarray(image).crop(
        (box.x - 40, box.y - 40, box.x + box.width + 40, box.y + box.height + 40)
    )
    tile = np.asarray(crop.resize((26, 28), pillow.Resampling.LANCZOS, reducing_gap=3))
    crowd = np.tile(tile, (35, 38, 1))
    found = len(engine.detect(crowd, detail=Detail.FAST))
    assert 0.9 * MOST_CANDIDATES <= found <= MOST_CANDIDATES < 35 * 38
