from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageFilter

from demo import photos as demo_photos
from recognition.engine import (
    MINIMUM_FOR_ENROLMENT,
    Box,
    Detection,
    Engine,
    Image,
    Keypoints,
    assess,
)
from recognition.engine.types import Point

PORTRAITS = [
    photo.name for photo in demo_photos.PHOTOS if photo.person and photo.name != "collins.png"
]

#: Grey tiles of 8 px: sharp and of middling light, so that the points of `make_face` alone decide.
TILES = np.random.default_rng(seed=6).integers(40, 215, (25, 25, 1), dtype=np.uint8)
TEXTURE = np.kron(TILES, np.ones((8, 8, 3), dtype=np.uint8))


def make_face(
    *, left_eye: Point = (60, 80), right_eye: Point = (140, 80), nose: Point = (100, 130)
) -> Detection:
    """A face of 200 px; without more said it looks straight ahead."""
    return Detection(
        box=Box(x=0, y=0, width=200, height=200),
        landmarks=np.zeros((5, 2), dtype=np.float32),
        score=1,
        keypoints=Keypoints(left_eye=left_eye, right_eye=right_eye, nose=nose),
    )


def change_light(image: Image, *, factor: float, offset: float = 0) -> Image:
    light = image.astype(np.float32) * factor + offset
    return light.clip(0, 255).astype(np.uint8)


def blur(image: Image, *, radius: float) -> Image:
    return np.asarray(pillow.fromarray(image).filter(ImageFilter.GaussianBlur(radius)))


@pytest.fixture(params=["obama-2012.jpg", "macron-2014.jpg", "ardern-2022.jpg", "hopper.jpg"])
def portrait(
    request: pytest.FixtureRequest,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
) -> tuple[Image, Detection]:
    """A good photo and the face in it."""
    return photo(request.param), the_face(request.param)


@pytest.mark.parametrize("name", PORTRAITS)
def test_a_plain_portrait_is_good_enough_to_enrol(
    name: str, photo: Callable[[str], Image], the_face: Callable[[str], Detection]
) -> None:
    quality = assess(photo(name), the_face(name))
    assert MINIMUM_FOR_ENROLMENT < quality.value <= 1
    assert quality.reasons == ()


def test_a_heavily_blurred_face_is_refused_as_blurred(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    quality = assess(blur(image, radius=face.box.width * 6 / 150), face)
    assert quality.value < MINIMUM_FOR_ENROLMENT
    assert quality.reasons == ("The face is blurred; use a sharp photo.",)


def test_more_blur_is_never_better(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    values = [
        assess(blur(image, radius=face.box.width * part), face).value
        for part in (0, 0.01, 0.02, 0.04, 0.08)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def test_a_dark_face_is_refused_as_dark_and_not_as_blurred(
    portrait: tuple[Image, Detection],
) -> None:
    image, face = portrait
    quality = assess(change_light(image, factor=0.15), face)
    assert quality.value < MINIMUM_FOR_ENROLMENT
    assert "The face is too dark; use a photo with light on the face." in quality.reasons
    assert not [reason for reason in quality.reasons if "blurred" in reason]


def test_an_overexposed_face_is_refused_as_overexposed(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    quality = assess(change_light(image, factor=1, offset=140), face)
    assert quality.value < MINIMUM_FOR_ENROLMENT
    assert "The face is overexposed; use a photo with less light on the face." in quality.reasons


def test_a_face_in_fog_is_refused_for_its_contrast(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    quality = assess(change_light(image, factor=0.1, offset=120), face)
    assert quality.value < MINIMUM_FOR_ENROLMENT
    assert quality.reasons == ("The face has too little contrast; use a clearer photo.",)


@pytest.mark.parametrize("level", [0, 255])
def test_a_black_or_white_surface_is_worth_nothing(level: int) -> None:
    quality = assess(np.full((200, 200, 3), level, dtype=np.uint8), make_face())
    assert quality.value == 0
    assert len(quality.reasons) >= 2


def test_a_face_of_some_forty_pixels_is_found_but_refused_with_its_size(
    engine: Engine, portrait: tuple[Image, Detection]
) -> None:
    image, face = portrait
    scale = 17 / face.keypoints.eye_distance
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    small = np.asarray(pillow.fromarray(image).resize(size, pillow.Resampling.LANCZOS))
    (found,) = engine.detect(small)
    quality = assess(small, found)
    assert quality.value < MINIMUM_FOR_ENROLMENT
    pixels = int(found.keypoints.eye_distance)
    assert (
        quality.reasons[0]
        == f"The eyes are {pixels} px apart; use a photo where it is at least 20 px."
    )


def test_a_face_turned_away_is_refused() -> None:
    quality = assess(TEXTURE, make_face(nose=(140, 130)))
    assert quality.value < MINIMUM_FOR_ENROLMENT
    assert quality.reasons == (
        "The face is turned away; use a photo that shows it from the front.",
    )


def test_a_tilted_head_is_not_a_turned_one() -> None:
    straight = assess(TEXTURE, make_face())
    tilted = assess(TEXTURE, make_face(left_eye=(70, 60), right_eye=(126, 116), nose=(63, 124)))
    assert straight.value == tilted.value == 1


def test_points_that_fall_together_are_refused_and_do_no_harm() -> None:
    quality = assess(TEXTURE, make_face(left_eye=(100, 80), right_eye=(100, 80)))
    assert quality.value == 0
    assert quality.reasons[0].startswith("The eyes are 0 px apart")


def test_the_size_of_a_sharp_photo_does_not_matter_beyond_enough() -> None:
    large = np.asarray(pillow.fromarray(TEXTURE).resize((800, 800), pillow.Resampling.BICUBIC))
    face = make_face(left_eye=(240, 320), right_eye=(560, 320), nose=(400, 520))
    assert assess(large, replace(face, box=Box(x=0, y=0, width=800, height=800))).value == 1


@pytest.mark.parametrize(
    "box",
    [
        Box(x=0, y=0, width=1, height=1),
        Box(x=199, y=0, width=1, height=200),
        Box(x=0, y=190, width=200, height=10),
    ],
)
def test_a_sliver_at_the_border_is_judged_like_any_face(box: Box) -> None:
    assert 0 <= assess(TEXTURE, replace(make_face(), box=box)).value <= 1


def test_a_good_value_and_reasons_exclude_each_other(portrait: tuple[Image, Detection]) -> None:
    image, face = portrait
    for part in np.linspace(0, 0.04, 9):
        quality = assess(blur(image, radius=face.box.width * float(part)), face)
        assert bool(quality.reasons) == (quality.value < MINIMUM_FOR_ENROLMENT)
