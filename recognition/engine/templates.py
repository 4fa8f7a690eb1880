"""A person who is known by several faces: how far a probe is from all of them together.

The distance is that to the nearest of the faces, or to their template (`Engine.fuse`) where that is nearer. On LFW, 100
people watched by three photos each, one of 200 strangers alarming, opencv misses 0.68 % of the people this way, 0.92 %
by the nearest face alone and 0.63 % by the template alone; dlib 14.8, 26.4 and 14.1 %. The template alone would lose a
person whose one face is unlike the others, and the very photo that was enrolled would no longer be at 0.
"""

import numpy as np
import numpy.typing as npt

from recognition.engine.protocol import Engine
from recognition.engine.types import Distances, Embeddings


def fuse(faces: Embeddings, starts: npt.NDArray[np.intp], *, engine: Engine) -> Embeddings:
    """Return the template of each person, (M, D), from faces (N, D), those of person j from row starts[j] on."""
    groups = np.split(faces, starts[1:])[: len(starts)]
    templates = [engine.fuse(group) for group in groups]
    return np.array(templates, dtype=np.float32).reshape(len(starts), engine.dimensions)


def person_distances(
    to_faces: Distances, starts: npt.NDArray[np.intp], to_templates: Distances
) -> Distances:
    """Return the distance of each probe to each person, (P, M), from (P, N) and (P, M); nobody gives (P, 0)."""
    if not len(starts):
        return to_templates
    nearest: Distances = np.minimum.reduceat(to_faces, starts, axis=1)
    return np.minimum(nearest, to_templates)
