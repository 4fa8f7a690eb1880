"""YuNet says the same in ONNX Runtime as in OpenCV, whose own class is the oracle."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from recognition.engine import Image, merging, yunet


@pytest.fixture(scope="module")
def network() -> yunet.Yunet:
    return yunet.Yunet()


@pytest.mark.parametrize("name", ["obama-2012.jpg", "ardern-2022.jpg", "hopper.jpg", "sunak.jpg"])
def test_faces_are_those_of_opencv(
    network: yunet.Yunet, photo: Callable[[str], Image], name: str
) -> None:
    image = photo(name)[:500, :701]
    weights = np.frombuffer(yunet.MODEL.locate().read_bytes(), dtype=np.uint8)
    size = image.shape[1], image.shape[0]
    none = np.empty(0, dtype=np.uint8)
    oracle = cv2.FaceDetectorYN.create("onnx", weights, none, size, 0.6)
    expected = oracle.detect(np.ascontiguousarray(image[:, :, ::-1]))[1]
    rows = network.look(image, least=0.6)
    kept = rows[merging.surest(rows[:, yunet.BOX], rows[:, yunet.SCORE])]
    assert kept.shape == expected.shape == (1, yunet.COLUMNS)
    assert np.abs(kept - expected).max() < 0.05


def test_a_lower_bar_lets_more_pass(network: yunet.Yunet, photo: Callable[[str], Image]) -> None:
    image = photo("hopper.jpg")
    few, many = network.look(image, least=0.8), network.look(image, least=0.1)
    assert 0 < len(few) < len(many)
    assert few[:, yunet.SCORE].min() >= 0.8
    assert many[:, yunet.SCORE].min() >= 0.1


@pytest.mark.parametrize("shape", [(1, 1), (31, 33), (500, 2)])
def test_any_picture_may_be_looked_at(network: yunet.Yunet, shape: tuple[int, int]) -> None:
    rows = network.look(np.zeros((*shape, 3), dtype=np.uint8), least=0.6)
    assert rows.shape == (0, yunet.COLUMNS)
    assert rows.dtype == np.float32
