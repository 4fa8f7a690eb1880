"""The way of a photo: stored, faces detected, faces recognised, published."""

import hashlib
import logging
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from ledger import crashpoints, intake, leases, turns
from ledger.intake import Refused
from recognition import admission, chips, gallery, lookback, matching, publishing, sightings
from recognition import engine as engines
from recognition.engine import Detection, Engine, Picture
from recognition.gallery import Gallery
from recognition.models import Embedding, Face, KnownFace, LookBack, Person, Photo, Sighting

logger = logging.getLogger(__name__)

#: JPEG quality of the picture that is shown, and of the small one; faces are never read from them.
PICTURE_QUALITY, THUMBNAIL_QUALITY = 90, 80
#: Longest side of the small picture, in pixels.
THUMBNAIL_SIZE = 480

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


class TooLarge(Exception):
    """The file has more bytes than are accepted."""


class KeyReused(Exception):
    """The sender's key stands for another photo already."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a photo comes from: the source's name, when it was taken, and the key by which its sender knows it."""

    source: str = ""
    captured_at: datetime | None = None
    key: str = ""


#: Of a photo about which nothing is said.
UNSAID = Origin()


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A photo row, and whether this call made it or the same bytes were there already."""

    photo: Photo
    created: bool


def store_photo(
    file: "File[Any]",
    *,
    owner: Any,
    person: Person | None = None,
    origin: Origin = UNSAID,
    bulk: bool = False,
) -> Stored:
    """Keep a photo, durably, for the workers; with `person` it is an enrolment. Decodes no pixels.

    `bulk` photos wait for all the others. The same bytes again, by the same owner or for the same person, give the
    first photo. Raises `engine.ImageError` for what is not a photo we read, TooLarge, KeyReused for other bytes under
    a key, and `intake.Refused`; then nothing is left behind. Call it outside a transaction. The caller wakes the worker
    (`tasks.wake_photo`).
    """
    admission.check_open()
    if file.size > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(f"The file has {file.size} bytes, {settings.MAX_UPLOAD_BYTES} are accepted.")
    file.seek(0)
    info = engines.inspect(cast("BinaryIO", file), max_pixels=settings.MAX_PIXELS)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    if first := _first(digest, owner=owner, person=person, key=origin.key):
        return Stored(photo=first, created=False)
    photo = Photo(
        owner=owner,
        purpose=Photo.Purpose.ENROLMENT if person else Photo.Purpose.UPLOAD,
        person=person,
        stage=Photo.Stage.UPLOADED,
        format=info.format,
        sha256=digest,
        bytes=file.size,
        width=info.width,
        height=info.height,
        source=origin.source,
        captured_at=origin.captured_at,
        idempotency_key=origin.key,
    )
    _store_original(photo, file)
    crashpoints.reach("photo: file written")
    try:
        with turns.writing():
            # As the only one who writes (SQLite): many at once must not get past the limit.
            admission.check_backlog(owner=owner)
            photo.priority = admission.priority(owner=owner, bulk=bulk)
            photo.save(force_insert=True)
    except IntegrityError:
        # Somebody stored the same bytes, or used the same key, between our look and our insert.
        delete_files([photo])
        first = _first(digest, owner=owner, person=person, key=origin.key)
        if first is None:
            raise
        return Stored(photo=first, created=False)
    except (Refused, DatabaseError):
        _drop(photo, [])
        raise
    crashpoints.reach("photo: row stored")
    return Stored(photo=photo, created=True)


def _first(digest: str, *, owner: Any, person: Person | None, key: str) -> Photo | None:
    """Return the photo that was stored of the same bytes, or under the same key. Raises KeyReused."""
    if key:
        sent = Photo.objects.filter(owner=owner, idempotency_key=key).first()
        if sent and sent.sha256 != digest:
            raise KeyReused("Another photo was sent under this key. Use a new key for each photo.")
        if sent:
            return sent
    purpose = Photo.Purpose.ENROLMENT if person else Photo.Purpose.UPLOAD
    same = {"person": person} if person else {"owner": owner}
    return Photo.objects.filter(purpose=purpose, sha256=digest, **same).first()


def _store_original(photo: Photo, file: "File[Any]") -> None:
    """Write the file of a new photo. Raises DiskFull and NoStorage, and leaves nothing behind then."""
    name = f"{photo.folder}/original.{EXTENSIONS[photo.format]}"
    try:
        with intake.storing():
            photo.image.name = default_storage.save(name, file)
    except intake.NoStorage:
        # What arrived there all the same goes with the sweep; asking again would only take as long.
        raise
    except (OSError, Refused):
        delete_files([photo])
        raise


def detect_faces(photo_id: uuid.UUID | str, *, engine: Engine) -> Photo | None:
    """Find the faces of one photo; return it if recognition is next, None if there is nothing to do now.

    A second call does nothing. What a photo itself is to blame for makes it `failed` with a code.
    """
    lease = leases.claim(Photo, photo_id, stage=Photo.Stage.UPLOADED)
    if lease is None:
        return None
    with leases.held(lease):
        faces = _store_faces(lease, engine=engine)
        crashpoints.reach("photo: detected")
        if faces:
            return lease.row
        publishing.publish(lease.row.pk)
    return None


def recognise_faces(photo_id: uuid.UUID | str, *, engine: Engine, known: Gallery) -> None:
    """Embed the faces of one photo and store who they may be; an enrolment makes its face a known one.

    A second call does nothing. People who are deleted meanwhile are left out.
    """
    lease = leases.claim(Photo, photo_id, stage=Photo.Stage.DETECTED)
    if lease is None:
        return
    with leases.held(lease):
        faces, vectors = _embed(lease.row, engine=engine)
        embeddings = [
            Embedding(face=face, engine=engine.name, vector=vector)
            for face, vector in zip(faces, vectors, strict=True)
        ]
        crashpoints.reach("photo: embedded")
        if lease.row.purpose == Photo.Purpose.ENROLMENT:
            _store_enrolment(lease, embeddings)
        else:
            known.settle()
            revision = gallery.revision()
            matches = matching.match(vectors, engine=engine, known=known)
            with transaction.atomic():
                if gallery.hold_revision() != revision:
                    # Who is enrolled from now on finds this photo by looking back; who was meanwhile, would not.
                    matches = matching.match(vectors, engine=engine, known=known)
                _store_sightings(lease, embeddings, matches=matches)
            crashpoints.reach("photo: recognised")
            publishing.publish(lease.row.pk)


def delete_photos(photos: Iterable[Photo]) -> int:
    """Remove photos with all that came of them, also from the gallery; return how many. Work on them is dropped."""
    gone = list(photos)
    ids = [photo.pk for photo in gone]
    with transaction.atomic():
        gallery.remove(KnownFace.objects.filter(face__photo__in=ids))
        Photo.objects.filter(pk__in=ids).delete()
        transaction.on_commit(lambda: delete_files(gone))
    return len(gone)


def delete_files(photos: Iterable[Photo]) -> None:
    """Remove the stored files of photos whose rows are gone; while the storage is away the sweep does, later."""
    crashpoints.reach("photo: row deleted")
    try:
        for photo in photos:
            if default_storage.exists(photo.folder):
                for name in default_storage.listdir(photo.folder)[1]:
                    default_storage.delete(f"{photo.folder}/{name}")
                default_storage.delete(photo.folder)
    except leases.StorageUnavailable as error:
        logger.warning("Files of photos that are gone are left to the sweep: %s", error)


def retry_photo(photo: Photo) -> bool:
    """Put a `failed` photo back to work; False if it is not failed. The caller wakes the worker."""
    if not leases.retry(Photo, photo.pk):
        return False
    photo.refresh_from_db(fields=["stage"])
    return True


def _store_faces(lease: leases.Lease[Photo], *, engine: Engine) -> list[Face]:
    """Find the faces of a photo and commit them; an attempt that fails leaves none of its chips behind."""
    photo = lease.row
    faces: list[Face] = []
    try:
        for face in _find_faces(photo, engine=engine):
            # One by one: what is written when the next one fails has to go again.
            faces.append(face)  # noqa: PERF402
        crashpoints.reach("photo: chips written")
        with transaction.atomic():
            # A photo without faces has nothing to recognise.
            stage = Photo.Stage.DETECTED if faces else Photo.Stage.DONE
            leases.finish(lease, stage=stage, is_durable=False)
            photo.faces.all().delete()
            Face.objects.bulk_create(faces)
            crashpoints.reach("photo: faces stored, not committed")
    except DatabaseError:
        # Nobody knows whether the faces were committed: chips without a row are removed by the sweep.
        raise
    except engines.ImageError as error:
        # Pixels are decoded when they are needed, and again when finer ones are.
        _drop(photo, faces)
        raise leases.Unfit(str(error), code=error.code) from error
    except Exception:
        _drop(photo, faces)
        raise
    return faces


def _find_faces(photo: Photo, *, engine: Engine) -> Iterator[Face]:
    """Yield the rows of a photo's faces, not saved, each with its chip written. Raises leases.Unfit and ImageError."""
    try:
        with default_storage.open(str(photo.image.name)) as file:
            picture = engines.open_photo(cast("BinaryIO", file), max_pixels=settings.MAX_PIXELS)
    except FileNotFoundError as error:
        detail = "The photo's file is gone; upload it again."
        raise leases.Unfit(detail, code="file_missing") from error
    detections = engine.detect(picture, detail=settings.DETAIL)
    qualities = [engines.assess(picture, detection) for detection in detections]
    # Before a refusal as well: staff has to see which photo was refused.
    _store_pictures(photo, picture)
    crashpoints.reach("photo: pictures written")
    if photo.purpose == Photo.Purpose.ENROLMENT:
        _check_enrolment(qualities)
    for index, (detection, quality) in enumerate(zip(detections, qualities, strict=True)):
        yield _store_face(
            photo, picture, detection, index=index, quality=quality.value, engine=engine
        )


def _check_enrolment(qualities: list[engines.Quality]) -> None:
    """Raise leases.Unfit unless there is one face, and one good enough to know somebody by."""
    if not qualities:
        detail = "No face was found. Use a photo that shows the face from the front, upright."
        raise leases.Unfit(detail, code="no_face")
    if len(qualities) > 1:
        detail = f"{len(qualities)} faces were found. Crop the photo to the one person."
        raise leases.Unfit(detail, code="many_faces")
    (quality,) = qualities
    if quality.value < engines.MINIMUM_FOR_ENROLMENT:
        raise leases.Unfit(" ".join(quality.reasons), code="low_quality")


def _store_pictures(photo: Photo, picture: Picture) -> None:
    """Write the pictures that are shown; a second time they are the same.

    A photo of which no more was decoded to find its faces is shown at that size, which is at least 1,500 px.
    """
    pixels = picture.finest()
    for name, longest, quality in (
        (photo.picture_name, None, PICTURE_QUALITY),
        (photo.thumbnail_name, THUMBNAIL_SIZE, THUMBNAIL_QUALITY),
    ):
        data = engines.encode_jpeg(pixels, longest=longest, quality=quality)
        default_storage.save(name, ContentFile(data))


def _store_face(
    photo: Photo,
    picture: Picture,
    detection: Detection,
    *,
    index: int,
    quality: float,
    engine: Engine,
) -> Face:
    """Write a face's chip and return its row, not saved. Its name is new, so that no other attempt writes it."""
    chip = engines.cut_chip(picture, detection)
    box = detection.box
    face = Face(
        photo=photo,
        index=index,
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        score=detection.score,
        quality=quality,
        engine=engine.name,
        landmarks=chip.landmarks.tolist(),
        chip_scale=chip.scale,
    )
    default_storage.save(face.chip_name, ContentFile(engines.encode_png(chip.pixels)))
    return face


def _embed(photo: Photo, *, engine: Engine) -> tuple[list[Face], engines.Embeddings]:
    """Return the faces of a photo that this engine can describe, and how. Raises leases.Unfit if a chip is gone.

    Where another engine found them (FACEWATCH_ENGINE was changed in between), those that this one misses are left out.
    """
    try:
        read = [(face, chips.read_for(engine, face)) for face in photo.faces.all()]
    except FileNotFoundError as error:
        detail = "A face's file is gone; upload the photo again."
        raise leases.Unfit(detail, code="file_missing") from error
    found = [(face, chip) for face, chip in read if chip]
    if not found and photo.purpose == Photo.Purpose.ENROLMENT:
        detail = "No face was found. Use a photo that shows the face from the front, upright."
        raise leases.Unfit(detail, code="no_face")
    return [face for face, _ in found], engine.embed([engine.align(chip) for _, chip in found])


def _store_sightings(
    lease: leases.Lease[Photo],
    embeddings: list[Embedding],
    *,
    matches: list[matching.Match],
) -> None:
    """Store the outcome of an upload, leaving out people who were deleted meanwhile; call it in a transaction.

    It waits for no disk: what follows from it does, and takes it along; what a crash forgets is worked out anew.
    """
    leases.finish(lease, stage=Photo.Stage.DONE, is_durable=False)
    Embedding.objects.bulk_create(embeddings)
    faces = [embedding.face for embedding in embeddings]
    Sighting.objects.bulk_create(sightings.build(lease.row, faces, matches))
    crashpoints.reach("photo: sightings stored, not committed")


def _store_enrolment(lease: leases.Lease[Photo], embeddings: list[Embedding]) -> None:
    """Commit the outcome of an enrolment: its one face is known from this commit on.

    On the disk, too: galleries that hold this revision never ask for it again.
    """
    with transaction.atomic():
        revision = gallery.next_revision()
        leases.finish(lease, stage=Photo.Stage.DONE, published_at=timezone.now())
        Embedding.objects.bulk_create(embeddings)
        person = Person.objects.select_for_update().get(enrolments=lease.row.pk)
        KnownFace.objects.create(
            person_id=person.merged_into_id or person.pk,
            face=embeddings[0].face,
            revision=revision,
        )
        lookback.request(person, why=LookBack.Why.ENROLLED)
        crashpoints.reach("photo: known face stored, not committed")


def _drop(photo: Photo, faces: list[Face]) -> None:
    """Remove the files of an attempt that came too late; all of them if the photo was deleted meanwhile."""
    if not Photo.objects.filter(pk=photo.pk).exists():
        delete_files([photo])
        return
    for face in faces:
        default_storage.delete(face.chip_name)
