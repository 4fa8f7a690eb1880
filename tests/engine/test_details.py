"""What each engine finds at each detail: small faces, turned faces, and the same face once."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image as pillow

from recognition import engine as engines
from recognition.engine import Detail, Detection, Engine, Image, decode

#: Photos whose one face is pasted into large ones.
FACES = ("obama-2012.jpg", "ardern-2018.jpg", "hopper.jpg", "sunak.jpg", "obama-2005.jpg")

#: The size of a photo of 12 megapixels.
WIDTH, HEIGHT = 4000, 3000


@pytest.fixture(scope="module")
def crowd(
    photo: Callable[[str], Image],
) -> Callable[[int], tuple[Image, list[tuple[float, float]]]]:
    """Return a photo of 12 megapixels with 30 faces of so many pixels, and where their middles are."""
    model = engines.load("opencv")

    def paste(pixels: int) -> tuple[Image, list[tuple[float, float]]]:
        sheet = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
        middles = []
        for number in range(30):
            source = photo(FACES[number % len(FACES)])
            (face,) = model.detect(source)
            x, y = face.box.centre
            half = round(0.9 * face.box.height)
            left, top = max(0, round(x) - half), max(0, round(y) - half)
            crop = pillow.fromarray(source[top : top + 2 * half, left : left + 2 * half])
            scale = pixels / face.box.height
            small = crop.resize(
                (round(crop.width * scale), round(crop.height * scale)),
                pillow.Resampling.LANCZOS,
                reducing_gap=3,
            )
            column, row = number % 6, number // 6
            # Not in a lattice: some lie on the edges of tiles.
            at = 600 * column + 37 * row + 90, 560 * row + 23 * column + 90
            sheet[at[1] : at[1] + small.height, at[0] : at[0] + small.width] = np.asarray(small)
            middles.append((at[0] + (x - left) * scale, at[1] + (y - top) * scale))
        return sheet, middles

    return paste


def recall(found: list[Detection], middles: list[tuple[float, float]], *, within: float) -> float:
    """The share of the middles that have a face nearby, each face counted once."""
    left = [face.box.centre for face in found]
    hits = 0
    for x, y in middles:
        near = [point for point in left if np.hypot(point[0] - x, point[1] - y) < within]
        if near:
            left.remove(near[0])
            hits += 1
    return hits / len(middles)


@pytest.mark.parametrize(
    ("detail", "pixels"),
    [(Detail.FAST, 110), (Detail.BALANCED, 40), (Detail.THOROUGH, 24)],
)
@pytest.mark.parametrize("engine", ["opencv"], indirect=True)
def test_small_faces_in_a_large_photo(
    engine: Engine,
    crowd: Callable[[int], tuple[Image, list[tuple[float, float]]]],
    detail: Detail,
    pixels: int,
) -> None:
    sheet, middles = crowd(pixels)
    found = engine.detect(sheet, detail=detail)
    assert recall(found, middles, within=pixels / 2) >= 0.9
    assert len(found) <= len(middles)


@pytest.mark.parametrize("detail", [Detail.BALANCED, Detail.THOROUGH])
@pytest.mark.parametrize("engine", ["dlib"], indirect=True)
def test_dlib_finds_large_faces_fast_and_small_ones_thoroughly(
    engine: Engine,
    crowd: Callable[[int], tuple[Image, list[tuple[float, float]]]],
    detail: Detail,
) -> None:
    # A 32nd of the longest side, and that of a photo of WORKING_SIZE.
    pixels = {Detail.BALANCED: 160, Detail.THOROUGH: 70}[detail]
    sheet, middles = crowd(pixels)
    found = engine.detect(sheet, detail=detail)
    assert recall(found, middles, within=pixels / 2) >= 0.9


@pytest.mark.parametrize("detail", [Detail.BALANCED, Detail.THOROUGH])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_face_is_found_where_it_is_and_recognised(
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
    embed_from_chip: Callable[[Image, Detection], engines.Embeddings],
    detail: Detail,
    quarters: int,
) -> None:
    image, upright = photo("obama-2012.jpg"), the_face("obama-2012.jpg")
    turned = np.rot90(image, quarters).copy()
    (found,) = engine.detect(turned, detail=detail)
    middle = np.array([upright.box.centre])
    width, height = image.shape[1], image.shape[0]
    expected = {
        1: (middle[0, 1], width - 1 - middle[0, 0]),
        2: (width - 1 - middle[0, 0], height - 1 - middle[0, 1]),
        3: (height - 1 - middle[0, 1], middle[0, 0]),
    }[quarters]
    assert np.hypot(*np.subtract(found.box.centre, expected)) < 0.15 * upright.box.width
    distance = engine.distances(embed_from_chip(image, upright), embed_from_chip(turned, found))
    assert distance[0, 0] < 0.6 * engine.thresholds.alert


@pytest.mark.parametrize("detail", Detail)
def test_every_detail_finds_a_portrait_once(
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
    detail: Detail,
) -> None:
    (found,) = engine.detect(photo("hopper.jpg"), detail=detail)
    box = the_face("hopper.jpg").box
    assert np.hypot(*np.subtract(found.box.centre, box.centre)) < 0.15 * box.width


@pytest.mark.parametrize("detail", Detail)
def test_no_detail_sees_faces_in_a_cup(
    engine: Engine, photo: Callable[[str], Image], detail: Detail
) -> None:
    assert engine.detect(photo("coffee.png"), detail=detail) == []


@pytest.mark.parametrize("longest", [32, 60, 16])
def test_a_tiny_photo_is_searched(
    engine: Engine, photo: Callable[[str], Image], longest: int
) -> None:
    picture = pillow.fromarray(photo("hopper.jpg"))
    picture.thumbnail((longest, longest))
    assert len(engine.detect(np.asarray(picture), detail=Detail.THOROUGH)) <= 1


def as_file(image: pillow.Image, **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, **options)  # type: ignore[arg-type]
    return file


@pytest.mark.parametrize("kind", ["grey", "grey of 16 bits", "CMYK", "palette", "transparent"])
def test_the_face_is_the_same_in_every_kind_of_file(
    engine: Engine,
    photo: Callable[[str], Image],
    the_face: Callable[[str], Detection],
    embed_from_chip: Callable[[Image, Detection], engines.Embeddings],
    kind: str,
) -> None:
    picture = pillow.fromarray(photo("obama-2012.jpg"))
    grey = np.asarray(picture.convert("L"))
    file = {
        "grey": lambda: as_file(picture.convert("L"), format="JPEG", quality=95),
        "grey of 16 bits": lambda: as_file(
            pillow.fromarray(grey.astype(np.uint16) * 257), format="PNG"
        ),
        "CMYK": lambda: as_file(picture.convert("CMYK"), format="JPEG", quality=95),
        "palette": lambda: as_file(picture.quantize(256), format="PNG"),
        "transparent": lambda: as_file(picture.convert("RGBA"), format="PNG"),
    }[kind]()
    image = decode(file)
    (face,) = engine.detect(image)
    distance = engine.distances(
        embed_from_chip(photo("obama-2012.jpg"), the_face("obama-2012.jpg")),
        embed_from_chip(image, face),
    )
    assert distance[0, 0] < 0.75 * engine.thresholds.alert


# Templates


def test_the_template_of_one_face_is_that_face(engine: Engine) -> None:
    vector = np.random.default_rng(seed=3).normal(size=(1, engine.dimensions)).astype(np.float32)
    vector /= np.linalg.norm(vector)
    template = engine.fuse(vector)
    assert template.dtype == np.float32
    assert np.allclose(template, vector[0], atol=1e-6)


def test_nobody_has_no_template(engine: Engine) -> None:
    nobody = np.empty((0, engine.dimensions), dtype=np.float32)
    starts = np.empty(0, dtype=np.intp)
    assert engines.fuse(nobody, starts, engine=engine).shape == (0, engine.dimensions)
    none = np.empty((3, 0), dtype=np.float32)
    assert engines.person_distances(none, starts, none).shape == (3, 0)


def test_templates_are_nearer_to_the_person_than_the_faces_they_are_made_of(
    engine: Engine,
) -> None:
    random = np.random.default_rng(seed=3)
    people = random.normal(size=(20, engine.dimensions))
    noisy = people[:, None] + 0.8 * random.normal(size=(20, 4, engine.dimensions))
    noisy = (noisy / np.linalg.norm(noisy, axis=2, keepdims=True)).astype(np.float32)
    faces, probes = noisy[:, :3].reshape(60, -1), noisy[:, 3]
    starts = np.arange(0, 60, 3)
    templates = engines.fuse(faces, starts, engine=engine)
    assert templates.shape == (20, engine.dimensions)
    to_faces, to_templates = engine.distances(probes, faces), engine.distances(probes, templates)
    together = engines.person_distances(to_faces, starts, to_templates)
    own = np.arange(20)
    assert (
        np.diag(to_templates) < to_faces[own[:, None], starts[:, None] + np.arange(3)].min(1)
    ).all()
    assert np.array_equal(np.diag(together), np.diag(to_templates))
    assert (together.argmin(axis=1) == own).all()
