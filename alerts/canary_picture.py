"""The picture of nobody: a drawn face, which both engines find and take for one, and no person has."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

#: Side of the picture, in pixels, and the quality of its JPEG.
SIZE, QUALITY = 400, 92
#: How much light falls off to the sides, and the noise that makes each picture another file.
FALL_OFF, NOISE = 1.0, 4.0

SKIN, SHADE, DARK, HAIR = (224, 178, 150), (208, 160, 134), (140, 95, 80), (70, 50, 40)
#: What is drawn, from the back to the front: ellipses by their corners, and their colour.
SHAPES = (
    ((90, 300, 310, 520), (60, 70, 90)),
    ((165, 240, 235, 340), SHADE),
    ((110, 50, 290, 250), HAIR),
    ((120, 75, 280, 300), SKIN),
    ((112, 165, 132, 215), SHADE),
    ((268, 165, 288, 215), SHADE),
)
NOSE_AND_MOUTH = (
    ((184, 212, 216, 230), SHADE),
    ((188, 220, 196, 227), DARK),
    ((204, 220, 212, 227), DARK),
    ((170, 246, 230, 270), (175, 90, 85)),
    ((185, 276, 215, 284), SHADE),
)
#: Where the eyes stand, and each of an eye's rings by its half width and half height, dy and colour.
EYES = (163, 237)
RINGS = (
    (22, 13, 171, SHADE),
    (16, 10, 172, (245, 245, 245)),
    (8, 9, 172, (80, 60, 45)),
    (4, 5, 172, (15, 15, 15)),
)


def draw(seed: int) -> bytes:
    """Return the picture as a JPEG; each seed gives another file of the same face."""
    image = Image.new("RGB", (SIZE, SIZE), (120, 140, 150))
    canvas = ImageDraw.Draw(image)
    for box, colour in SHAPES:
        canvas.ellipse(box, fill=colour)
    for x in EYES:
        for half_width, half_height, y, colour in RINGS:
            box = (x - half_width, y - half_height, x + half_width, y + half_height)
            canvas.ellipse(box, fill=colour)
        canvas.line([x - 20, 150, x, 143, x + 20, 149], fill=HAIR, width=6)
    canvas.polygon([(200, 170), (184, 222), (216, 222)], fill=(212, 164, 138))
    for box, colour in NOSE_AND_MOUTH:
        canvas.ellipse(box, fill=colour)
    canvas.line([172, 257, 200, 260, 228, 257], fill=(110, 50, 50), width=3)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(2.2))).astype(np.float64)
    across = np.linspace(-0.45, 0.55, SIZE)
    pixels *= (1.05 - FALL_OFF * across**2)[None, :, None]
    pixels += np.random.default_rng(seed).normal(0, NOISE, pixels.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
