"""How far two faces are apart, by engine; known without loading a model."""

import numpy as np

from recognition.engine.types import Distances, Embeddings, EngineError


def cosine(probes: Embeddings, gallery: Embeddings) -> Distances:
    """Return 1 - cosine of every probe (P, D) to every row (N, D), as (P, N) float32, exact to 1e-6.

    Both sides have length 1. One matrix product.
    """
    products = probes @ gallery.T
    distances: Distances = np.maximum(np.subtract(1, products, out=products), 0, out=products)
    return distances


def euclidean(probes: Embeddings, gallery: Embeddings) -> Distances:
    """Return Euclidean distances (P, N) float32.

    By |p|² + |g|² - 2pg, one matrix product: exact to 1e-5 from 0.1 on, to 1e-6 about the thresholds. Near 0, rounding
    leaves up to 2e-3 where the embeddings are the same.
    """
    squares = (probes**2).sum(axis=1)[:, None] + (gallery**2).sum(axis=1)[None, :]
    squares -= 2 * probes @ gallery.T
    roots: Distances = np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
    return roots


_METRICS = {"dlib": euclidean, "opencv": cosine}


def distances(probes: Embeddings, gallery: Embeddings, *, engine: str) -> Distances:
    """Return the distances that an engine of this name would, (P, N). Raises EngineError for an unknown name."""
    if engine not in _METRICS:
        raise EngineError(f"There is no engine {engine!r}.")
    return _METRICS[engine](probes, gallery)
