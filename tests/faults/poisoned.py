"""A consumer on whose photos native code hangs or crashes: `python -m tests.faults.poisoned`.

Its engine is the default one, but for photos of two widths, which no other photo of the tests has.
"""

import ctypes
import functools
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 (Django's settings come first)

from recognition import engine as engines  # noqa: E402
from recognition.engine import Detail, Detection, Image, Picture  # noqa: E402
from recognition.engine.opencvsface import OpencvSface  # noqa: E402
from recognition.engine.pictures import as_picture  # noqa: E402

#: Pixels of the width of a photo in which the detector never returns, nor lets go of Python's lock.
HANGS = 233
#: Pixels of the width of a photo that makes the detector touch memory that is not there.
CRASHES = 234


class Poisoned(OpencvSface):
    """The default engine's models, with photos that they do not survive."""

    def detect(
        self, photo: Picture | Image, *, detail: Detail = Detail.BALANCED
    ) -> list[Detection]:
        width = as_picture(photo).width
        if width == HANGS:
            # PyDLL keeps the lock while it calls.
            ctypes.PyDLL(None).sleep(1000)
        if width == CRASHES:
            ctypes.string_at(0)
        return super().detect(photo, detail=detail)


@functools.cache
def load() -> Poisoned:
    """Return the engine of this process, as `recognition.engine.load` asks for it."""
    return Poisoned()


if __name__ == "__main__":
    engines.MODULES["opencv"] = "tests.faults.poisoned"
    call_command("worker")
