"""Whose photos one may see: one's own, and with `recognition.view_photo` everybody's."""

from typing import Any

from django.db.models import QuerySet

from recognition.models import Face, KnownFace, Photo


def visible_photos(user: Any) -> "QuerySet[Photo]":
    """Return the photos that a user may see; somebody else's look as if they did not exist."""
    if user.has_perm("recognition.view_photo"):
        return Photo.objects.all()
    return Photo.objects.filter(owner=user)


def visible_faces(user: Any) -> "QuerySet[Face]":
    """Return the faces on the photos that a user may see."""
    if user.has_perm("recognition.view_photo"):
        return Face.objects.all()
    return Face.objects.filter(photo__owner=user)


def may_delete(user: Any, photo: Photo) -> bool:
    """Say whether a user may delete a visible photo: nobody is forgotten by the way who is known by an upload."""
    if not may(user, "recognition.delete_photo", photo=photo):
        return False
    if photo.purpose != Photo.Purpose.UPLOAD or user.has_perm("recognition.delete_knownface"):
        return True
    return not KnownFace.objects.filter(face__photo=photo).exists()


def may(user: Any, permission: str, *, photo: Photo) -> bool:
    """Say whether a user may do something to a visible photo: to one's own always, else with the permission."""
    return bool(photo.owner_id == user.pk or user.has_perm(permission))
