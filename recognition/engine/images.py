"""Photos in, clean pixels out: sniff, measure, decode upright, encode without anything hidden.

The formats are opened by their own Pillow classes instead of `PIL.Image.open`: that tries every plug-in, and guards
against huge pictures with a process-wide limit that only warns. Here the caller says how many pixels are too many.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

import numpy as np
from PIL import ExifTags, ImageFile
from PIL import Image as pillow
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from recognition.engine.types import EngineError, Image

Format: TypeAlias = Literal["JPEG", "PNG", "WEBP"]
Source: TypeAlias = str | PathLike[str] | BinaryIO

#: More than the sensors of phones and most cameras (50 megapixels), and 150 MB when decoded.
MAX_PIXELS = 50_000_000

#: What Pillow raises when bytes are broken. Its decoders do not promise a common class.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    struct.error,
    zlib.error,
)

#: JPEG files that hold several pictures (MPO, of phones) are read as plain JPEG: the first one is the photo.
OPENERS: dict[Format, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
}

#: EXIF orientation to what makes the picture upright; 5 to 8 swap width and height. 1 is upright already.
UPRIGHT = {
    2: pillow.Transpose.FLIP_LEFT_RIGHT,
    3: pillow.Transpose.ROTATE_180,
    4: pillow.Transpose.FLIP_TOP_BOTTOM,
    5: pillow.Transpose.TRANSPOSE,
    6: pillow.Transpose.ROTATE_270,
    7: pillow.Transpose.TRANSVERSE,
    8: pillow.Transpose.ROTATE_90,
}
SIDEWAYS = frozenset({5, 6, 7, 8})


#: A PNG begins with these bytes; then come chunks: a head of length and kind, the content, and a checksum of 4 bytes.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHUNK = struct.Struct(">I4s")
PNG_CHECKSUM = 4


class ImageError(EngineError):
    """A file that is not taken as a photo; `code` says why for programs, the text for people."""

    code = "invalid_image"


class UnreadableImage(ImageError):
    """The file is empty, broken or cut off."""

    code = "unreadable_image"


class UnsupportedFormat(ImageError):
    """The file is something else than a still JPEG, PNG or WebP picture."""

    code = "unsupported_format"


class TooManyPixels(ImageError):
    """The picture is larger than the caller allows."""

    code = "too_many_pixels"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """What a file says of itself: its format, and its size in pixels when held upright."""

    format: Format
    width: int
    height: int


def inspect(file: Source, *, max_pixels: int = MAX_PIXELS) -> ImageInfo:
    """Return format and upright size of a photo from its header; the pixels are never decoded.

    file is a path, or a binary file that is read from its start and left there. Raises UnreadableImage,
    UnsupportedFormat or TooManyPixels. That the pixels are sound is for `decode` to find out.
    """
    with _opened(file) as stream:
        format_ = _sniff(stream)
        image = _open(stream, format_, max_pixels=max_pixels)
        orientation = _find_orientation(image, format_, stream)
    width, height = image.size
    if orientation in SIDEWAYS:
        width, height = height, width
    return ImageInfo(format=format_, width=width, height=height)


def read(file: Source) -> bytes:
    """Return the bytes of a file; from here on a broken one is the photo's fault, not the disk's."""
    with _opened(file) as stream:
        return stream.read()


def decode(file: Source, *, max_pixels: int = MAX_PIXELS, shrink: int = 1) -> Image:
    """Return the photo as (height, width, 3) uint8 RGB, upright, with transparency on white; not to be written into.

    Takes what `inspect` takes and raises what it raises; a file that is cut off is an UnreadableImage, never a half
    picture. A JPEG can be read at 1/shrink of its size (1, 2, 4 or 8), which saves most of the time; others are whole.
    """
    data = read(file)
    content = io.BytesIO(data)
    format_ = _sniff(content)
    image = _open(content, format_, max_pixels=max_pixels)
    # As `inspect` tells it, whatever else comes to light when the pixels are read.
    method = UPRIGHT.get(_find_orientation(image, format_, io.BytesIO(data)))
    # Only JPEG can; it takes the next size that is not smaller.
    image.draft(None, (max(1, image.width // shrink), max(1, image.height // shrink)))
    # face_recognition, when imported beside us, switches this on for the whole process and half pictures pass. This
    # is Pillow's own default. It is not switched back: another thread could be decoding at that moment.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        image.load()
    except BROKEN as error:
        raise UnreadableImage("The photo is damaged or cut off. Send the original file.") from error
    upright = _rgb(image) if method is None else _rgb(image).transpose(method)
    return np.asarray(upright)


def encode_jpeg(image: Image, *, longest: int | None = None, quality: int = 85) -> bytes:
    """Return the picture as JPEG bytes without EXIF, comment or profile; scaled down to `longest` pixels if larger."""
    picture = pillow.fromarray(image)
    if longest is not None:
        # Never enlarges; with reducing_gap a photo of a camera takes a fourth of the time.
        picture.thumbnail((longest, longest), pillow.Resampling.LANCZOS, reducing_gap=3)
    return _saved(picture, format="JPEG", quality=quality)


def encode_png(image: Image) -> bytes:
    """Return the picture as PNG bytes, exactly the same pixels and nothing else.

    Packed lightly: for a chip a tenth more bytes in a fourth of the time, which is more than finding a face takes.
    """
    return _saved(pillow.fromarray(image), format="PNG", compress_level=1)


def _saved(picture: pillow.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


@contextmanager
def _opened(file: Source) -> Iterator[BinaryIO]:
    if isinstance(file, str | PathLike):
        with Path(file).open("rb") as stream:
            yield stream
        return
    file.seek(0)
    try:
        yield file
    finally:
        file.seek(0)


def _sniff(stream: BinaryIO) -> Format:
    """Return the format by the first bytes: names and content types of uploads say nothing."""
    head = stream.read(12)
    stream.seek(0)
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(PNG_SIGNATURE):
        return "PNG"
    if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        return "WEBP"
    if not head:
        raise UnreadableImage("The file is empty.")
    raise UnsupportedFormat("This is not a JPEG, PNG or WebP picture.")


def _open(stream: BinaryIO, format_: Format, *, max_pixels: int) -> ImageFile.ImageFile:
    """Return the picture with its header read and checked; no pixel is decoded, and no memory taken for one."""
    try:
        image = OPENERS[format_](stream)
    except pillow.DecompressionBombError as error:
        raise _too_many(max_pixels) from error
    except BROKEN as error:
        raise UnreadableImage("The file is damaged: its header cannot be read.") from error
    width, height = image.size
    if width * height > max_pixels:
        raise _too_many(max_pixels, size=f", this one has {width} × {height}")
    if getattr(image, "is_animated", False):
        raise UnsupportedFormat("This is an animation. Send one still picture.")
    return image


def _too_many(max_pixels: int, *, size: str = "") -> TooManyPixels:
    return TooManyPixels(
        f"A photo may have up to {max_pixels / 1e6:g} million pixels{size}. Send a smaller one."
    )


def _orientation(image: ImageFile.ImageFile) -> int:
    """Return the EXIF orientation, 1 (upright) without one; damaged EXIF spoils no photo."""
    try:
        # Not the PNG class's own getexif: it decodes the pixels to look behind them.
        orientation = pillow.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except BROKEN:
        return 1
    return orientation if orientation in UPRIGHT else 1


def _find_orientation(image: ImageFile.ImageFile, format_: Format, stream: BinaryIO) -> int:
    """Return the EXIF orientation of a picture that was opened; the stream has its file and is read."""
    late_exif = _find_late_exif(stream) if format_ == "PNG" else None
    if late_exif is not None:
        image.info.setdefault("exif", late_exif)
    return _orientation(image)


def _find_late_exif(stream: BinaryIO) -> bytes | None:
    """Return the EXIF block of a PNG wherever it stands: it may follow the pixels, where headers end before it."""
    stream.seek(len(PNG_SIGNATURE))
    while len(head := stream.read(PNG_CHUNK.size)) == PNG_CHUNK.size:
        length, kind = PNG_CHUNK.unpack(head)
        if kind == b"eXIf":
            return stream.read(length)
        stream.seek(length + PNG_CHECKSUM, io.SEEK_CUR)
    return None


def _rgb(image: pillow.Image) -> pillow.Image:
    if image.mode.startswith("I;16"):
        # Grey in 16 bits: Pillow's own conversion clips everything above 255 to white.
        image = pillow.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        # To convert is to copy, and a copy of a large photo costs a tenth of the time that finding faces takes.
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    sheet = pillow.new("RGB", layer.size, "white")
    sheet.paste(layer, mask=layer.getchannel("A"))
    return sheet
