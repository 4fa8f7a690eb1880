"""Small builders of rows: each makes what its name says, with only what the test cares about given."""

import uuid
from typing import Any

import numpy as np
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.files.base import ContentFile
from django.db import transaction

from alerts.models import Alert, Subscription, WatchList
from demo import photos as demo_photos
from recognition import gallery, photos
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import Embedding, Face, KnownFace, Person, Photo, Sighting


def user(name: str = "uma", *, role: str = "", **fields: Any) -> Any:
    """A user, in the group of a role if one is named."""
    made = get_user_model().objects.create_user(
        name, f"{name}@example.org", "open sesame 42", **fields
    )
    if role:
        made.groups.add(Group.objects.get(name=role))
    return made


def permission(codename: str) -> Permission:
    """A permission by its code name."""
    return Permission.objects.get(codename=codename)


def upload(name: str, *, owner: Any = None, person: Person | None = None, **origin: Any) -> Photo:
    """A stored photo of the demo's, waiting for a worker; an enrolment with `person`."""
    content = ContentFile(demo_photos.path(name).read_bytes(), name=name)
    origin_said = photos.Origin(**origin)
    return photos.store_photo(content, owner=owner, person=person, origin=origin_said).photo


def recognised(photo: Photo, *, engine: Engine, known: Gallery) -> Photo:
    """The same photo after both stages, run here and now on the real engine."""
    photos.detect_faces(photo.pk, engine=engine)
    photos.recognise_faces(photo.pk, engine=engine, known=known)
    photo.refresh_from_db()
    return photo


def photo(*, stage: str = Photo.Stage.DONE, owner: Any = None, **fields: Any) -> Photo:
    """A photo row without a file."""
    number = uuid.uuid4().hex
    defaults = {"format": "JPEG", "sha256": number * 2, "bytes": 1000, "width": 640, "height": 480}
    return Photo.objects.create(
        stage=stage, owner=owner, image=f"photos/{number}.jpg", **defaults | fields
    )


def unit(*axes: int) -> Any:
    """A vector of ones along some axes, zero along the others."""
    vector = np.zeros(128, np.float32)
    vector[list(axes)] = 1
    return vector


def face(*, photo: Photo | None = None, index: int = 0, vector: Any = None, **fields: Any) -> Face:
    """A face row with an embedding (zeros unless given), without a chip file."""
    box = {"x": 10, "y": 20, "width": 100, "height": 110, "score": 1.0, "quality": 0.8}
    made = Face.objects.create(
        photo=photo or globals()["photo"](),
        index=index,
        engine=settings.ENGINE,
        landmarks=[[0.0, 0.0]] * 5,
        chip_scale=1.0,
        **box | fields,
    )
    Embedding.objects.create(
        face=made,
        engine=settings.ENGINE,
        vector=np.zeros(128, np.float32) if vector is None else vector,
    )
    return made


def person(name: str = "Ada Example", **fields: Any) -> Person:
    """A person without known faces."""
    return Person.objects.create(name=name, **fields)


def known_face(person: Person, *, vector: Any = None) -> KnownFace:
    """A face by which a person is known, entered into the gallery."""
    enrolment = photo(purpose=Photo.Purpose.ENROLMENT, person=person)
    with transaction.atomic():
        revision = gallery.next_revision()
        return KnownFace.objects.create(
            person=person, face=face(photo=enrolment, vector=vector), revision=revision
        )


def sighting(*, person: Person, face: Face, distance: float = 0.4, **fields: Any) -> Sighting:
    """A person as the nearest candidate of a face."""
    defaults = {"rank": 1, "margin": 0.2}
    return Sighting.objects.create(
        photo=face.photo, face=face, person=person, distance=distance, **defaults | fields
    )


def watchlist(name: str = "Lobby", *, people: tuple[Person, ...] = (), **fields: Any) -> WatchList:
    """A watch-list of these people."""
    made = WatchList.objects.create(name=name, **fields)
    made.people.set(people)
    return made


def subscription(
    watchlist: WatchList, *, target: str = "ops@example.org", **fields: Any
) -> Subscription:
    """Someone who hears of a list's alerts at once, by e-mail."""
    return Subscription.objects.create(watchlist=watchlist, target=target, **fields)


def whom(alert: Alert) -> Person:
    """The person whom an alert is about."""
    assert alert.person is not None
    return alert.person


def alert(
    *, watchlist: WatchList, person: Person | None, face: Face | None = None, **fields: Any
) -> Alert:
    """An open alert."""
    face = face or globals()["face"]()
    defaults = {"distance": 0.4, "threshold": 0.5, "margin": 0.2}
    return Alert.objects.create(
        watchlist=watchlist, person=person, face=face, photo=face.photo, **defaults | fields
    )
