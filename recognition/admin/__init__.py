"""The admin of photos and of the people whom staff knows."""

from recognition.admin.audits import GalleryAuditAdmin
from recognition.admin.known_faces import KnownFaceAdmin
from recognition.admin.people import PersonAdmin
from recognition.admin.photos import PhotoAdmin

__all__ = ["GalleryAuditAdmin", "KnownFaceAdmin", "PersonAdmin", "PhotoAdmin"]
