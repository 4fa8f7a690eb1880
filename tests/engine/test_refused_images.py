"""Photos that are refused, each with a code and before room is made for their pixels."""

import contextlib
import io
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageFile

from recognition.engine import ImageError, ImageInfo, decode, encode_png, inspect
from tests.engine.picture_files import make_pixels, png_chunk, save


def make_png_header(*, width: int, height: int) -> io.BytesIO:
    """A PNG that claims a size and holds next to nothing."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100)) + png_chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + head + body)


def make_webp_header(*, width: int, height: int) -> io.BytesIO:
    """A lossless WebP that claims a size and holds next to nothing."""
    bits = (width - 1) | (height - 1) << 14
    content = b"\x2f" + struct.pack("<I", bits) + b"\0" * 23
    chunk = b"VP8L" + struct.pack("<I", len(content)) + content
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk)


def refusal(file: io.BytesIO, *, max_pixels: int = 10_000) -> str:
    """The code with which both inspect and decode refuse a file."""
    codes = set()
    for read in (inspect, decode):
        with pytest.raises(ImageError) as caught:
            read(file, max_pixels=max_pixels)
        codes.add(caught.value.code)
    (code,) = codes
    return code


def test_an_empty_file_is_unreadable() -> None:
    assert refusal(io.BytesIO()) == "unreadable_image"


@pytest.mark.parametrize(
    "content",
    [
        b"Dear sir or madam",
        b"%PDF-1.7\n",
        b"PK\x03\x04" + bytes(30),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"x",
    ],
)
def test_other_kinds_of_files_are_unsupported(content: bytes) -> None:
    assert refusal(io.BytesIO(content)) == "unsupported_format"


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF"])
def test_other_picture_formats_are_unsupported(format_: str) -> None:
    assert refusal(save(pillow.fromarray(make_pixels()), format=format_)) == "unsupported_format"


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG"])
def test_animations_are_unsupported(format_: str) -> None:
    frames = [pillow.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    file = save(frames[0], format=format_, save_all=True, append_images=frames[1:])
    assert refusal(file) == "unsupported_format"


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(40),
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"RIFF\x24\0\0\0WEBP",
        b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40),
    ],
)
def test_the_right_beginning_with_nothing_sensible_after_it_is_unreadable(content: bytes) -> None:
    assert refusal(io.BytesIO(content)) == "unreadable_image"


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("tolerant", [False, True])
def test_a_file_cut_off_anywhere_is_unreadable_even_if_pillow_was_made_tolerant(
    format_: str, *, tolerant: bool
) -> None:
    noise = np.random.default_rng(seed=1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = save(pillow.fromarray(noise), format=format_, lossless=True).getvalue()
    for length in (
        20,
        len(content) // 4,
        len(content) // 2,
        len(content) * 9 // 10,
        len(content) - 40,
    ):
        # As face_recognition leaves it once imported.
        ImageFile.LOAD_TRUNCATED_IMAGES = tolerant
        with pytest.raises(ImageError) as caught:
            decode(io.BytesIO(content[:length]))
        assert caught.value.code == "unreadable_image"
    ImageFile.LOAD_TRUNCATED_IMAGES = False


def test_broken_bytes_are_unreadable_or_a_whole_picture_and_nothing_else() -> None:
    random = np.random.default_rng(seed=2)
    picture = pillow.fromarray(make_pixels())
    for format_ in ("JPEG", "PNG", "WEBP"):
        content = np.frombuffer(save(picture, format=format_).getvalue(), dtype=np.uint8)
        for _ in range(150):
            broken = content.copy()
            spots = random.integers(12, len(content), 4)
            broken[spots] = random.integers(0, 255, 4)
            file = io.BytesIO(broken.tobytes())
            # Any other exception fails the test.
            with warnings.catch_warnings(action="ignore"), contextlib.suppress(ImageError):
                assert decode(file, max_pixels=10_000_000).shape[2] == 3


@pytest.mark.parametrize(
    ("file", "max_pixels"),
    [
        pytest.param(
            make_png_header(width=20_000, height=10_000), 50_000_000, id="png of 200 megapixels"
        ),
        pytest.param(
            make_png_header(width=20_000, height=10_000), 199_999_999, id="one pixel too many"
        ),
        pytest.param(make_webp_header(width=10_000, height=10_000), 50_000_000, id="webp of 100"),
        pytest.param(make_webp_header(width=16_000, height=16_000), 50_000_000, id="webp of 256"),
        pytest.param(io.BytesIO(encode_png(make_pixels())), 48 * 32 - 1, id="a small limit"),
    ],
)
def test_too_many_pixels_are_refused_without_room_being_made_for_them(
    file: io.BytesIO, max_pixels: int
) -> None:
    tracemalloc.start()
    assert refusal(file, max_pixels=max_pixels) == "too_many_pixels"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_exactly_as_many_pixels_as_allowed_are_taken() -> None:
    file = io.BytesIO(encode_png(make_pixels()))
    assert inspect(file, max_pixels=48 * 32).width == 48
    assert decode(file, max_pixels=48 * 32).shape == (32, 48, 3)


def test_a_large_picture_within_the_limit_raises_no_warning() -> None:
    # Pillow's own guard would warn here, and raise above twice as many.
    assert inspect(make_png_header(width=10_000, height=10_000), max_pixels=10**8).width == 10_000
    assert inspect(make_png_header(width=20_000, height=20_000), max_pixels=10**9).width == 20_000


def test_inspect_believes_the_header_and_leaves_the_pixels_alone() -> None:
    file = make_png_header(width=90, height=60)
    assert inspect(file) == ImageInfo(format="PNG", width=90, height=60)
    with pytest.raises(ImageError):
        decode(file)


def test_refusals_tell_a_person_what_to_do() -> None:
    with pytest.raises(ImageError) as caught:
        inspect(make_png_header(width=20_000, height=10_000), max_pixels=50_000_000)
    assert str(caught.value) == (
        "A photo may have up to 50 million pixels, this one has 20000 × 10000. Send a smaller one."
    )
