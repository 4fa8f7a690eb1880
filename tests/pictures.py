"""Small copies of the demonstration's photos, each with bytes of its own."""

import io

from PIL import Image

from demo import photos as demo_photos

#: Pixels on the longest side: faces are still found, quickly.
SIZE = 320


def small_copy(name: str = "obama-2012.jpg", *, number: int, size: int = SIZE) -> bytes:
    """Return a JPEG of the photo; another number gives other bytes with the same pixels."""
    with Image.open(demo_photos.path(name)) as photo:
        image = photo.convert("RGB")
    image.thumbnail((size, size))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=92, comment=f"{name} {number}".encode())
    return data.getvalue()
