"""Several looks see one face several times: keep it once."""

import numpy as np
import numpy.typing as npt

#: Of two boxes that share more than this of the smaller one, the surer is the face.
SHARED = 0.5


def surest(boxes: npt.NDArray[np.float32], scores: npt.NDArray[np.float32]) -> list[int]:
    """Return which of the boxes to keep, the surest first: each of a face of its own.

    boxes is (N, 4), rows of x, y, width and height; scores (N,), higher is surer. Non-maximum suppression by the
    share of the smaller box instead of intersection over union, because a part of a face lies inside the whole one.
    """
    kept: list[int] = []
    left = np.argsort(-scores, kind="stable")
    while left.size:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        left = left[_shared(boxes[first], boxes[left]) <= SHARED]
    return kept


def _shared(
    box: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Return the part of the smaller box that lies in the other, 0 to 1, for one box and (N, 4) others."""
    corner = np.maximum(box[:2], others[:, :2])
    opposite = np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = np.maximum(opposite - corner, 0).prod(axis=1)
    smaller = np.minimum(box[2:].prod(), others[:, 2:].prod(axis=1))
    parts: npt.NDArray[np.float32] = common / np.maximum(smaller, 1e-6)
    return parts
