"""Bring ONNX models to the form that their readers take.

- Models exported before 2020 list their weights among the inputs of the graph. OpenCV 5 then waits for somebody to feed
  them, and refuses to run.
- A model that was exported for one size of picture refuses all others, though its convolutions would take them.
- Quantised weights may have one scale for all, and yet say how large the block of each scale is. ONNX Runtime refuses
  that.

Only the framing of the file is read here (https://protobuf.dev/programming-guides/encoding/); the field numbers are
those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from recognition.engine.types import EngineError

#: ModelProto.graph, and of GraphProto: node, initializer, input, output and value_info.
GRAPH = 7
NODE, INITIALIZER, INPUT, OUTPUT, VALUE_INFO = 1, 5, 11, 12, 13
#: NodeProto.input, op_type and attribute; TensorProto.dims and name; the name of an input, an output or an attribute.
NODE_INPUT, OP_TYPE, ATTRIBUTE = 1, 4, 5
DIMS, TENSOR_NAME = 1, 8
NAME = 1
#: ValueInfoProto.type, TypeProto.tensor_type and its shape.
TYPE, TENSOR_TYPE, SHAPE = 2, 1, 2

#: A number is written 7 bits a byte, the lowest first; this bit says that more follow.
MORE = 0x80

#: Wire types: a number of variable length, 8 bytes, bytes with their length in front, 4 bytes.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message: its number, all its bytes, and its content."""

    number: int
    whole: bytes
    content: bytes


def keep_input(model: bytes, *, name: str) -> bytes:
    """Return the model with `name` as the only input of its graph; nothing else is changed.

    Raises EngineError for a file that is not an ONNX model, or that has no input of that name.
    """

    def edit(graph: list[Field]) -> list[bytes]:
        if not any(field.number == INPUT and _text(field.content, NAME) == name for field in graph):
            raise EngineError(f"The model has no input {name!r}.")
        return [
            field.whole
            for field in graph
            if field.number != INPUT or _text(field.content, NAME) == name
        ]

    return _edited(model, edit)


def free_sizes(model: bytes) -> bytes:
    """Return the model for pictures of any size, with no block size where weights have no blocks.

    Raises EngineError for a file that is not an ONNX model.
    """

    def edit(graph: list[Field]) -> list[bytes]:
        single = {
            _text(field.content, TENSOR_NAME)
            for field in graph
            if field.number == INITIALIZER and _rank(field.content) <= 1
        }
        edited = []
        for field in graph:
            if field.number in (INPUT, OUTPUT):
                edited.append(_framed(field.number, _without_shape(field.content)))
            elif field.number == NODE:
                edited.append(_framed(NODE, _without_block(field.content, single=single)))
            elif field.number != VALUE_INFO:
                edited.append(field.whole)
        return edited

    return _edited(model, edit)


def _edited(model: bytes, edit: Callable[[list[Field]], list[bytes]]) -> bytes:
    """Return the model with its graph's fields edited; one without a graph is edited as an empty one."""
    try:
        fields = list(_fields(model))
        graph = [
            inner for field in fields if field.number == GRAPH for inner in _fields(field.content)
        ]
        kept = [field.whole for field in fields if field.number != GRAPH]
        return b"".join([*kept, _framed(GRAPH, b"".join(edit(graph)))])
    except (IndexError, UnicodeDecodeError) as error:
        raise EngineError("The model is not an ONNX file: its framing is damaged.") from error


def _without_shape(value: bytes) -> bytes:
    """Return an input or an output that says nothing of its shape."""

    def without(message: bytes, *path: int) -> bytes:
        first, *rest = path
        return b"".join(
            field.whole
            if field.number != first
            else (_framed(first, without(field.content, *rest)) if rest else b"")
            for field in _fields(message)
        )

    return without(value, TYPE, TENSOR_TYPE, SHAPE)


def _without_block(node: bytes, *, single: set[str]) -> bytes:
    """Return a node without its block size, if it is one that takes weights with one scale for all."""
    inputs = [field.content.decode() for field in _fields(node) if field.number == NODE_INPUT]
    if _text(node, OP_TYPE) != "DequantizeLinear" or inputs[1] not in single:
        return node
    return b"".join(
        field.whole
        for field in _fields(node)
        if field.number != ATTRIBUTE or _text(field.content, NAME) != "block_size"
    )


def _rank(tensor: bytes) -> int:
    """Return the number of sizes of a tensor; they are packed into one field, or stand in one each."""
    sizes = 0
    for field in _fields(tensor):
        if field.number == DIMS:
            # A number ends with the byte that does not say that more follow.
            sizes += sum(byte < MORE for byte in field.content)
    return sizes


def _text(message: bytes, number: int) -> str:
    """Return the text of a message's field; empty without one."""
    return next(
        (field.content.decode() for field in _fields(message) if field.number == number), ""
    )


def _framed(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | LENGTH) + _varint(len(content)) + content


def _fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a message; IndexError where the framing is broken."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        kind = key & 7
        length = 0
        begin = at
        if kind == VARINT:
            _, at = _read_varint(message, at)
        elif kind == LENGTH:
            length, at = _read_varint(message, at)
            begin = at
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise IndexError(kind)
        end = at + length
        if end > len(message):
            raise IndexError(end)
        yield Field(key >> 3, message[start:end], message[begin:end])
        at = end


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte % MORE) << shift
        if byte < MORE:
            return value, at
        shift += 7


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= MORE:
        out.append(value % MORE + MORE)
        value >>= 7
    out.append(value)
    return bytes(out)
