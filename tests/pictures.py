"""What is made of the demonstration's photos: smaller and larger ones, and several in one."""

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


def portrait(*, longest: int) -> bytes:
    """Return a demo photo with this longest side, as JPEG."""
    data = io.BytesIO()
    with Image.open(demo_photos.path("sunak.jpg")) as photo:
        scale = longest / max(photo.size)
        size = round(photo.width * scale), round(photo.height * scale)
        photo.convert("RGB").resize(size).save(data, format="JPEG")
    return data.getvalue()


def thirty_faces() -> bytes:
    """Return one JPEG with thirty faces, some of one person."""
    names = [
        "obama-2012.jpg",
        "sunak.jpg",
        "hopper.jpg",
        "ardern-2022.jpg",
        "macron-2025.jpg",
        "ardern-2018.jpg",
    ]
    canvas = Image.new("RGB", (6 * 210, 5 * 250))
    for number in range(30):
        with Image.open(demo_photos.path(names[number % 6])) as picture:
            canvas.paste(
                picture.convert("RGB").resize((210, 250)), (number % 6 * 210, number // 6 * 250)
            )
    return jpeg(canvas)


def side_by_side(*names: str) -> bytes:
    """Return one JPEG with several demo photos beside each other."""
    pictures = [
        Image.open(demo_photos.path(name)).convert("RGB").resize((512, 512)) for name in names
    ]
    canvas = Image.new("RGB", (512 * len(pictures), 512))
    for column, picture in enumerate(pictures):
        canvas.paste(picture, (512 * column, 0))
    return jpeg(canvas)


def shrunk(name: str, *, longest: int) -> bytes:
    """Return a demo photo made small, as JPEG."""
    picture = Image.open(demo_photos.path(name)).convert("RGB")
    picture.thumbnail((longest, longest))
    return jpeg(picture)


def jpeg(picture: Image.Image) -> bytes:
    """Return the picture as JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()
