"""Pictures that are made up, and files of them."""

import io
import struct
import zlib

import numpy as np
from PIL import Image as pillow

from recognition.engine import Image


def make_pixels(*, width: int = 48, height: int = 32) -> Image:
    """A picture without any symmetry: red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return pixels


def save(picture: pillow.Image, **options: object) -> io.BytesIO:
    """A file of the picture, to be read from its start."""
    file = io.BytesIO()
    picture.save(file, **options)  # type: ignore[arg-type]
    file.seek(0)
    return file


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One piece of a PNG, with its checksum."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
