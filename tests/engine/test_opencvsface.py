"""What OpenCV's engine does its own way."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as pillow

from recognition import engine as engines
from recognition.engine import Chip, Engine, EngineError, Image, cut_chip, graphs
from recognition.engine.opencvsface import EMBEDDING_MODEL

pytestmark = pytest.mark.parametrize("engine", ["opencv"], indirect=True)


def test_distances_are_one_minus_cosine(engine: Engine) -> None:
    vectors = np.random.default_rng(seed=5).normal(size=(300, 128)).astype(np.float32)
    crowd = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    exact = 1 - crowd[:20].astype(np.float64) @ crowd.astype(np.float64).T
    distances = engine.distances(crowd[:20], crowd)
    assert distances.shape == (20, 300)
    assert distances.dtype == np.float32
    assert np.abs(distances - exact).max() < 1e-6


def test_embeddings_have_length_one_and_a_mirrored_face_is_the_same(
    engine: Engine, photo: Callable[[str], Image]
) -> None:
    image = photo("hopper.jpg")
    (face,) = engine.detect(image)
    aligned = engine.align(cut_chip(image, face))
    vectors = engine.embed([aligned, np.ascontiguousarray(aligned[:, ::-1])])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert np.abs(vectors[0] - vectors[1]).max() < 1e-5


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


def test_the_embedding_model_is_left_with_the_one_input_that_is_fed(engine: Engine) -> None:
    model = EMBEDDING_MODEL.locate().read_bytes()
    kept = graphs.keep_input(model, name="data")
    assert graphs.keep_input(kept, name="data") == kept
    # 174 of 175 inputs go; they are names and shapes, a few dozen bytes each.
    assert 0 < len(model) - len(kept) < 174 * 100
    with pytest.raises(EngineError, match="no input 'elsewhere'"):
        graphs.keep_input(model, name="elsewhere")
    assert engine is engines.load("opencv")


@pytest.mark.parametrize("model", [b"\xff", b"\x0f", b"\x3a\x7fshort", b"\x3a\x02\x5a\x05"])
def test_a_file_that_is_no_model_is_refused(engine: Engine, model: bytes) -> None:
    assert engine.name == "opencv"
    with pytest.raises(EngineError, match="not an ONNX file"):
        graphs.keep_input(model, name="data")


def test_an_empty_file_has_no_input(engine: Engine) -> None:
    assert engine.name == "opencv"
    with pytest.raises(EngineError, match="no input"):
        graphs.keep_input(b"", name="data")
