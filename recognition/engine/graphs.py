"""Bring an ONNX model to the form that today's readers take.

Models exported before 2020 list their weights among the inputs of the graph. OpenCV 5 then waits for somebody to feed
them, and refuses to run. Only the framing of the file is read here (https://protobuf.dev/programming-guides/encoding/);
the field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterator

from recognition.engine.types import EngineError

#: ModelProto.graph, GraphProto.input and ValueInfoProto.name.
GRAPH, INPUT, NAME = 7, 11, 1

#: A number is written 7 bits a byte, the lowest first; this bit says that more follow.
MORE = 0x80

#: Wire types: a number of variable length, 8 bytes, bytes with their length in front, 4 bytes.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


def keep_input(model: bytes, *, name: str) -> bytes:
    """Return the model with `name` as the only input of its graph; nothing else is changed.

    Raises EngineError for a file that is not an ONNX model, or that has no input of that name.
    """
    try:
        return _rebuilt(model, name=name)
    except (IndexError, UnicodeDecodeError) as error:
        raise EngineError("The model is not an ONNX file: its framing is damaged.") from error


def _rebuilt(model: bytes, *, name: str) -> bytes:
    parts: list[bytes] = []
    found = False
    for number, whole, content in _fields(model):
        if number != GRAPH:
            parts.append(whole)
            continue
        kept: list[bytes] = []
        for inner, field, value in _fields(content):
            if inner != INPUT:
                kept.append(field)
            elif _name(value) == name:
                kept.append(field)
                found = True
        graph = b"".join(kept)
        parts += [_varint(GRAPH << 3 | LENGTH), _varint(len(graph)), graph]
    if not found:
        raise EngineError(f"The model has no input {name!r}.")
    return b"".join(parts)


def _name(value: bytes) -> str:
    return next((content.decode() for number, _, content in _fields(value) if number == NAME), "")


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield the number, all bytes and the content of each field; IndexError where the framing is broken."""
    at = 0
    while at < len(message):
        start = at
        key, at = _read_varint(message, at)
        kind = key & 7
        length = 0
        if kind == VARINT:
            _, at = _read_varint(message, at)
        elif kind == LENGTH:
            length, at = _read_varint(message, at)
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
        else:
            raise IndexError(kind)
        end = at + length
        if end > len(message):
            raise IndexError(end)
        yield key >> 3, message[start:end], message[at:end]
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
