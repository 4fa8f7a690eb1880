"""face_recognition 1.3.0 is the oracle: the same photo gives the same faces and the same numbers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo import photos as demo_photos
from recognition.engine import Detection, Embeddings, Engine, Image
from recognition.engine.dlibresnet import WORKING_SIZE

#: Where `make test` installs the peer, apart from the environment.
PEER_FOLDER = Path(__file__).resolve().parents[2] / ".venv" / "peer"

pytestmark = pytest.mark.parametrize("engine", ["dlib"], indirect=True)

NAMES = [photo.name for photo in demo_photos.PHOTOS]


@pytest.fixture(scope="module")
def peer(photos_folder: Path) -> dict[str, dict[str, Any]]:
    """What face_recognition says about each demo photo."""
    script = Path(__file__).with_name("peer.py")
    paths = [str(photos_folder / name) for name in NAMES]
    done = subprocess.run(
        [sys.executable, str(script), str(PEER_FOLDER), *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"the peer did not run (`make peer` installs it): {done.stderr}"
    return dict(zip(NAMES, json.loads(done.stdout), strict=True))


def to_location(face: Detection) -> list[int]:
    """A box as the peer names it; its right and bottom are the last pixels, not the first ones outside."""
    box = face.box
    return [box.y, box.x + box.width - 1, box.y + box.height - 1, box.x]


@pytest.mark.parametrize("name", NAMES)
def test_locations_and_descriptors_are_the_peers(
    name: str,
    engine: Engine,
    peer: dict[str, dict[str, Any]],
    photo: Callable[[str], Image],
    embed_from_photo: Callable[[Image, Detection], Embeddings],
) -> None:
    image = photo(name)
    faces = engine.detect(image)
    expected = sorted(
        zip(peer[name]["locations"], peer[name]["descriptors"], strict=True),
        key=lambda face: face[0][3],
    )
    assert len(faces) == len(expected)
    for face, (location, descriptor) in zip(faces, expected, strict=True):
        ours, theirs = np.array(to_location(face)), np.array(location)
        distance = np.linalg.norm(embed_from_photo(image, face)[0] - np.array(descriptor))
        if max(image.shape[:2]) <= WORKING_SIZE:
            assert ours.tolist() == theirs.tolist()
            assert distance < 1e-5
        else:
            # The peer searches the full photo, which finds other boxes of the same face.
            assert np.abs(ours - theirs).max() < 0.2 * face.box.width
            assert distance < 0.2
