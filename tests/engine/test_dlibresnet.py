"""What dlib's engine does its own way."""

import numpy as np
import pytest

from recognition.engine import Chip, Engine

pytestmark = pytest.mark.parametrize("engine", ["dlib"], indirect=True)


def test_distances_are_euclidean(engine: Engine) -> None:
    vectors = np.random.default_rng(seed=5).normal(size=(300, 128)).astype(np.float32)
    crowd = 1.4 * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    probes = crowd[:20] + np.float32(0.01)
    exact = np.linalg.norm(
        probes[:, None].astype(np.float64) - crowd[None].astype(np.float64), axis=2
    )
    distances = engine.distances(probes, crowd)
    assert distances.shape == (20, 300)
    assert distances.dtype == np.float32
    assert np.abs(distances - exact).max() < 1e-5
    assert np.abs(distances - exact)[exact > 0.3].max() < 2e-6


def test_what_lies_outside_a_chip_is_black(engine: Engine) -> None:
    # Eyes close to the upper edge of a white chip.
    landmarks = np.array([[70, 2], [60, 2], [30, 2], [40, 2], [50, 25]], dtype=np.float32)
    white = np.full((100, 100, 3), 255, dtype=np.uint8)
    aligned = engine.align(Chip(pixels=white, landmarks=landmarks, scale=1.0))
    assert (aligned[0] == 0).all()
    assert (aligned[100, 50:100] == 255).all()
