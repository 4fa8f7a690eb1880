"""What is stored of photos, faces and known people. Data goes one way: photo → faces → sightings."""

from recognition.models.archives import Batch, BatchEntry
from recognition.models.audits import GalleryAudit
from recognition.models.gallery import Embedding, EmbeddingField, GalleryState, KnownFace, Tombstone
from recognition.models.lookbacks import LookBack
from recognition.models.people import Merge, Person
from recognition.models.photos import Face, Photo, Search, Sighting

__all__ = [
    "Batch",
    "BatchEntry",
    "Embedding",
    "EmbeddingField",
    "Face",
    "GalleryAudit",
    "GalleryState",
    "KnownFace",
    "LookBack",
    "Merge",
    "Person",
    "Photo",
    "Search",
    "Sighting",
    "Tombstone",
]
