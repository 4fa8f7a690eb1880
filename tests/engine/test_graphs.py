"""Models are brought to the form that their readers take, and are otherwise left alone."""

import numpy as np
import onnxruntime
import pytest

from recognition.engine import EngineError, graphs, yunet
from recognition.engine.opencvsface import EMBEDDING_MODEL


@pytest.fixture(scope="module")
def embedding() -> bytes:
    """SFace's file."""
    return EMBEDDING_MODEL.locate().read_bytes()


@pytest.fixture(scope="module")
def detection() -> bytes:
    """YuNet's file."""
    return yunet.MODEL.locate().read_bytes()


def opened(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_the_one_input_that_is_fed_is_left(embedding: bytes) -> None:
    kept = graphs.keep_input(embedding, name="data")
    assert graphs.keep_input(kept, name="data") == kept
    assert len(opened(embedding).get_inputs()) > 20
    assert [node.name for node in opened(kept).get_inputs()] == ["data"]


def test_an_input_that_is_not_there_is_named(embedding: bytes) -> None:
    with pytest.raises(EngineError, match="no input 'elsewhere'"):
        graphs.keep_input(embedding, name="elsewhere")


@pytest.mark.parametrize("shape", [(1, 3, 64, 96), (1, 3, 640, 640)])
def test_a_model_for_one_size_takes_others(detection: bytes, shape: tuple[int, ...]) -> None:
    picture = np.zeros(shape, dtype=np.float32)
    free = opened(graphs.free_sizes(detection))
    outputs = free.run(None, {"input": picture})
    places = [shape[2] // stride * (shape[3] // stride) for stride in yunet.STRIDES]
    assert [output.shape[1] for output in outputs] == places * 4


def test_without_it_the_model_is_refused_for_its_size_and_for_its_blocks(detection: bytes) -> None:
    model = opened(detection)
    with pytest.raises(Exception, match="invalid dimensions"):
        model.run(None, {"input": np.zeros((1, 3, 64, 96), dtype=np.float32)})
    with pytest.raises(Exception, match="block_size"):
        model.run(None, {"input": np.zeros((1, 3, 640, 640), dtype=np.float32)})


def test_freeing_a_model_twice_changes_nothing_more(detection: bytes) -> None:
    free = graphs.free_sizes(detection)
    assert graphs.free_sizes(free) == free


@pytest.mark.parametrize("model", [b"\xff", b"\x0f", b"\x3a\x7fshort", b"\x3a\x02\x5a\x05"])
def test_a_file_that_is_no_model_is_refused(model: bytes) -> None:
    with pytest.raises(EngineError, match="not an ONNX file"):
        graphs.keep_input(model, name="data")
    with pytest.raises(EngineError, match="not an ONNX file"):
        graphs.free_sizes(model)


def test_an_empty_file_has_no_input() -> None:
    with pytest.raises(EngineError, match="no input"):
        graphs.keep_input(b"", name="data")
