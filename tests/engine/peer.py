"""What face_recognition says about photos, as JSON; run as a script, in a process of its own.

Importing it changes Pillow for the whole process, hence the distance. Arguments: the folder that it is installed in,
then photos. Prints a list with an object per photo: `locations` as (top, right, bottom, left), `descriptors`.
"""

import json
import sys

import numpy as np
from PIL import Image, ImageOps


def describe(path: str) -> dict[str, object]:
    """Return the faces of a photo as the peer's own functions report them, with 5-point landmarks."""
    import face_recognition  # noqa: PLC0415

    image = np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    return {
        "locations": face_recognition.face_locations(image),
        "descriptors": [
            vector.tolist() for vector in face_recognition.face_encodings(image, model="small")
        ],
    }


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    json.dump([describe(path) for path in sys.argv[2:]], sys.stdout)
