"""What is taken as a photo comes out upright and the same from every format; what goes out is nothing but pixels."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as pillow
from PIL.PngImagePlugin import PngInfo

from recognition.engine import (
    Image,
    ImageError,
    ImageInfo,
    decode,
    encode_jpeg,
    encode_png,
    inspect,
)
from tests.engine.picture_files import make_pixels, png_chunk, save

ORIENTATION, GPS = 0x0112, 0x8825

#: What a camera stores for an upright picture, by EXIF orientation: the definition in the standard, as array moves.
STORED: dict[int, Callable[[Image], Image]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.swapaxes(0, 1),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).swapaxes(0, 1),
    8: lambda upright: np.rot90(upright, -1),
}


# What is taken


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_comes_out_upright(format_: str, orientation: int) -> None:
    upright = make_pixels()
    exif = pillow.Exif()
    exif[ORIENTATION] = orientation
    stored = pillow.fromarray(np.ascontiguousarray(STORED[orientation](upright)))
    file = save(stored, format=format_, exif=exif, lossless=True, quality=100, subsampling=0)

    assert inspect(file) == ImageInfo(format=format_, width=48, height=32)  # type: ignore[arg-type]
    decoded = decode(file)
    assert decoded.shape == (32, 48, 3)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - upright).max() <= (6 if format_ == "JPEG" else 0)


def test_orientation_of_a_png_counts_even_when_it_follows_the_pixels() -> None:
    exif = pillow.Exif()
    exif[ORIENTATION] = 6
    upright = make_pixels()
    plain = save(
        pillow.fromarray(np.ascontiguousarray(STORED[6](upright))), format="PNG"
    ).getvalue()
    end = plain.index(b"IEND") - 4
    block = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    file = io.BytesIO(plain[:end] + block + plain[end:])

    assert inspect(file) == ImageInfo(format="PNG", width=48, height=32)
    assert np.array_equal(decode(file), upright)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0", b"Exif\0\0no exif at all"])
def test_damaged_exif_spoils_no_photo(exif: bytes) -> None:
    file = save(pillow.fromarray(make_pixels()), format="PNG", exif=exif)
    assert inspect(file).width == 48
    assert decode(file).shape == (32, 48, 3)


def test_an_orientation_that_does_not_exist_changes_nothing() -> None:
    exif = pillow.Exif()
    exif[ORIENTATION] = 99
    file = save(pillow.fromarray(make_pixels()), format="PNG", exif=exif)
    assert inspect(file).width == 48
    assert np.array_equal(decode(file), make_pixels())


def test_a_path_is_read_as_well_as_an_open_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.txt"
    path.write_bytes(encode_png(make_pixels()))
    assert inspect(path) == inspect(str(path)) == ImageInfo(format="PNG", width=48, height=32)
    assert np.array_equal(decode(path), make_pixels())
    assert np.array_equal(decode(str(path)), make_pixels())


def test_a_missing_file_is_not_called_a_damaged_photo(tmp_path: Path) -> None:
    for read in (inspect, decode):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nothing.jpg")


def test_an_open_file_is_read_from_its_start_and_left_there() -> None:
    file = io.BytesIO(encode_png(make_pixels()))
    file.seek(17)
    inspect(file)
    assert file.tell() == 0
    file.seek(17)
    decode(file)
    assert file.tell() == 0


def test_a_file_of_several_pictures_from_a_phone_is_its_first_picture() -> None:
    first, second = pillow.new("RGB", (20, 10), "red"), pillow.new("RGB", (30, 40), "blue")
    file = save(first, format="MPO", save_all=True, append_images=[second])
    assert inspect(file) == ImageInfo(format="JPEG", width=20, height=10)
    assert np.abs(decode(file).astype(int) - [255, 0, 0]).max() < 3


def test_grey_is_the_same_grey_in_every_depth() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    eight = decode(save(pillow.fromarray(ramp), format="PNG"))
    sixteen = decode(save(pillow.fromarray(ramp.astype(np.uint16) * 257), format="PNG"))
    assert np.array_equal(eight, np.repeat(ramp[..., None], 3, axis=2))
    assert np.array_equal(sixteen, eight)


def test_one_bit_is_black_and_white() -> None:
    decoded = decode(save(pillow.new("1", (8, 8), 1), format="PNG"))
    assert (decoded == 255).all()


def test_cmyk_becomes_rgb() -> None:
    decoded = decode(save(pillow.new("CMYK", (16, 16), (0, 255, 255, 0)), format="JPEG"))
    assert decoded.shape == (16, 16, 3)
    assert np.abs(decoded.astype(int) - [255, 0, 0]).max() < 12


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode: str) -> None:
    picture = pillow.new(mode, (4, 4), (0,) * len(mode))
    assert (decode(save(picture, format="PNG")) == 255).all()


def test_half_transparent_black_is_grey() -> None:
    decoded = decode(save(pillow.new("RGBA", (4, 4), (0, 0, 0, 128)), format="PNG"))
    assert (decoded == 127).all()


def test_a_transparent_palette_colour_is_white_and_the_others_stay() -> None:
    picture = pillow.new("P", (2, 1))
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    decoded = decode(save(picture, format="PNG", transparency=0))
    assert decoded.tolist() == [[[255, 255, 255], [0, 0, 255]]]


# What goes out


def make_telltale_jpeg() -> io.BytesIO:
    """A photo with a place, a comment and a profile, and a zip archive hanging on its end."""
    exif = pillow.Exif()
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    exif[0x010F] = "Secret Camera"
    picture = pillow.fromarray(make_pixels())
    file = save(
        picture, format="JPEG", exif=exif, comment=b"Secret comment", icc_profile=b"Secret profile"
    )
    file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("secret.txt", "Secret file")
    return file


def test_nothing_but_pixels_survives_a_re_encoding() -> None:
    telltale = make_telltale_jpeg()
    assert telltale.getvalue().count(b"Secret") == 4
    assert zipfile.is_zipfile(telltale)

    for clean in (encode_jpeg(decode(telltale)), encode_png(decode(telltale))):
        picture = pillow.open(io.BytesIO(clean))
        assert b"Secret" not in clean
        assert not zipfile.is_zipfile(io.BytesIO(clean))
        assert not picture.getexif()
        assert {"comment", "icc_profile", "exif"}.isdisjoint(picture.info)


def test_text_in_a_png_is_dropped_too() -> None:
    notes = PngInfo()
    notes.add_text("Comment", "Secret comment")
    file = save(pillow.fromarray(make_pixels()), format="PNG", pnginfo=notes)
    assert b"Secret" in file.getvalue()
    assert b"Secret" not in encode_png(decode(file))


def test_png_is_lossless() -> None:
    noise = np.random.default_rng(seed=3).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(decode(io.BytesIO(encode_png(noise))), noise)


def test_jpeg_is_scaled_down_to_the_longest_side_and_keeps_its_shape() -> None:
    info = inspect(io.BytesIO(encode_jpeg(make_pixels(width=400, height=200), longest=100)))
    assert info == ImageInfo(format="JPEG", width=100, height=50)


def test_jpeg_is_never_enlarged() -> None:
    info = inspect(io.BytesIO(encode_jpeg(make_pixels(), longest=1000)))
    assert info == ImageInfo(format="JPEG", width=48, height=32)


def test_less_quality_makes_fewer_bytes() -> None:
    noise = np.random.default_rng(seed=4).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    assert len(encode_jpeg(noise, quality=30)) < len(encode_jpeg(noise, quality=90)) / 2


@pytest.mark.parametrize(
    ("shrink", "size"), [(1, (1001, 600)), (2, (501, 300)), (4, (251, 150)), (8, (126, 75))]
)
def test_a_jpeg_can_be_read_at_a_part_of_its_size(shrink: int, size: tuple[int, int]) -> None:
    file = save(pillow.new("RGB", (1001, 600), "navy"), format="JPEG")
    decoded = decode(file, shrink=shrink)
    assert decoded.shape == (*size[::-1], 3)
    assert np.abs(decoded.astype(int) - (0, 0, 128)).max() < 5


def test_a_jpeg_that_is_cut_off_is_unreadable_at_any_size() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (600, 1000, 3), dtype=np.uint8)
    whole = save(pillow.fromarray(noise), format="JPEG").getvalue()
    with pytest.raises(ImageError, match="cut off"):
        decode(io.BytesIO(whole[: len(whole) * 9 // 10]), shrink=8)


def test_other_formats_are_read_whole() -> None:
    file = save(pillow.new("RGB", (1000, 600)), format="PNG")
    assert decode(file, shrink=4).shape == (600, 1000, 3)
