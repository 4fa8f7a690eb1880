"""The group picture: portraits composed into one photo, and that photo with what was found in it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from demo import photos

#: Pixels of the group picture, and between two portraits. The engine looks at it 1280 px wide: faces are then 170 px.
SIZE = (2400, 1680)
GAP = 36
COLUMNS, ROWS = 3, 2
BACKGROUND = (236, 233, 226)
#: Quality of the JPEG files.
QUALITY = 90

#: A box: red for an alert, amber for a candidate who raises none, grey for somebody unknown.
ALERT, CANDIDATE, UNKNOWN = (200, 30, 45), (214, 128, 10), (84, 94, 108)
INK = (255, 255, 255)
#: Pixels of the lines and the letters, for a picture as wide as SIZE.
LINE, LETTERS = 8, 46


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A photo of the catalogue and what is cut from it: the middle, and the width, in pixels."""

    name: str
    centre: tuple[int, int]
    width: int


#: Works of the United States government and one in the public domain: nobody's licence limits what is made of them.
PORTRAITS = (
    Portrait(name="obama-2012.jpg", centre=(483, 300), width=590),
    Portrait(name="hopper.jpg", centre=(273, 240), width=430),
    Portrait(name="ardern-2022.jpg", centre=(366, 372), width=645),
    Portrait(name="biden-2010.jpg", centre=(570, 420), width=700),
    Portrait(name="macron-2025.jpg", centre=(331, 400), width=660),
    Portrait(name="collins.png", centre=(220, 126), width=200),
)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A box to draw, in pixels of the photo, with its text and colour."""

    box: dict[str, int]
    text: str
    colour: tuple[int, int, int]


def compose() -> bytes:
    """Return the group picture as JPEG; the same bytes each time."""
    picture = Image.new("RGB", SIZE, BACKGROUND)
    width = (SIZE[0] - GAP * (COLUMNS + 1)) // COLUMNS
    height = (SIZE[1] - GAP * (ROWS + 1)) // ROWS
    for place, portrait in enumerate(PORTRAITS):
        with Image.open(photos.path(portrait.name)) as file:
            upright = ImageOps.exif_transpose(file).convert("RGB")
        tile = _cut(upright, portrait, ratio=height / width)
        tile = tile.resize((width, height), Image.Resampling.LANCZOS)
        row, column = divmod(place, COLUMNS)
        picture.paste(tile, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return _jpeg(picture)


def label(face: dict[str, Any], *, threshold: float) -> Label:
    """Return how a face of the API's photo is shown: by its nearest candidate, if it has one."""
    if not face["candidates"]:
        return Label(box=face["box"], text="unknown", colour=UNKNOWN)
    nearest = face["candidates"][0]
    name, distance = nearest["person"]["name"], nearest["distance"]
    if distance <= threshold:
        return Label(box=face["box"], text=f"{name}  {distance:.2f}", colour=ALERT)
    return Label(box=face["box"], text=f"{name}?  {distance:.2f}", colour=CANDIDATE)


def draw(image: bytes, *, labels: Sequence[Label]) -> bytes:
    """Return a photo with boxes and names as JPEG, of the same size."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    unit = picture.width / SIZE[0]
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=LETTERS * unit)
    line = max(2, round(LINE * unit))
    for item in labels:
        left, top = item.box["x"], item.box["y"]
        right, bottom = left + item.box["width"], top + item.box["height"]
        pen.rounded_rectangle(
            (left, top, right, bottom), radius=2 * line, outline=item.colour, width=line
        )
        # The text stands on a bar below the box, centred, within the picture.
        half = pen.textlength(item.text, font=font) / 2 + 3 * line
        middle = min(max((left + right) / 2, half), picture.width - half)
        bar = (middle - half, bottom + line, middle + half, bottom + line + 1.5 * LETTERS * unit)
        pen.rounded_rectangle(bar, radius=2 * line, fill=item.colour)
        pen.text((middle, (bar[1] + bar[3]) / 2), item.text, font=font, fill=INK, anchor="mm")
    return _jpeg(picture)


def _cut(picture: Image.Image, portrait: Portrait, *, ratio: float) -> Image.Image:
    """Return the part round the portrait's middle, `ratio` times as high as wide, moved to lie within the picture."""
    width, height = portrait.width, round(portrait.width * ratio)
    left = min(max(portrait.centre[0] - width // 2, 0), picture.width - width)
    top = min(max(portrait.centre[1] - height // 2, 0), picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
