"""Chips and thumbnails in the admin. The browser fetches them from the API, which checks who may see them."""

import uuid

from django.forms import Media
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from recognition.models import Photo

#: What pages with pictures need. The policy for scripts and styles allows files of our own only.
MEDIA = Media(css={"all": ["admin-facewatch/pictures.css"]})

#: Quality from which on a face is called good; from `engine.MINIMUM_FOR_ENROLMENT` on it is enough.
GOOD = 0.75


def chip(face_id: uuid.UUID | None, *, of: str) -> SafeString:
    """Return the picture of a face; an empty frame if there is none. `of` says for the blind whose it is."""
    if face_id is None:
        return format_html('<span class="fw-chip fw-none">{}</span>', _("none"))
    return format_html(
        '<img class="fw-chip" src="/api/v1/faces/{}/chip/" alt="{}" width="56" height="56" loading="lazy">',
        face_id,
        of,
    )


def thumbnail(photo: Photo) -> SafeString:
    """Return the small picture of a photo; an empty frame until there is one."""
    if not photo.has_picture:
        return format_html('<span class="fw-thumbnail fw-none">{}</span>', _("no picture"))
    return format_html(
        '<img class="fw-thumbnail" src="/api/v1/photos/{}/image/?size=thumbnail" alt="{}" loading="lazy">',
        photo.pk,
        photo,
    )
