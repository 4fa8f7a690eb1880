"""What the tests of moving share: an installation with something in every table, and looking at all of it."""

import hashlib
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone
from knox.models import AuthToken

from alerts.models import (
    Appearance,
    CanaryRun,
    Delivery,
    Digest,
    Event,
    EventState,
    Outage,
    Rejection,
)
from demo import photos as demo_photos
from facewatch.moving import databases, rows
from facewatch.moving.progress import Progress
from facewatch.moving.tables import carried
from ledger.models import Minute, Pause, Served, Window
from recognition import batches, photos
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import (
    BatchEntry,
    Face,
    GalleryAudit,
    KnownFace,
    LookBack,
    Merge,
    Photo,
    Tombstone,
)
from tests import make, servers
from tests.archives import packed

SILENT = Progress(
    rows_in_all=lambda _: None,
    rows=lambda _: None,
    files_in_all=lambda _: None,
    files=lambda _: None,
)


def furnish(*, engine: Engine, known: Gallery) -> None:
    """Store something in every table: real photos with their files, and rows of what else there is."""
    uma = make.user("uma", role="operator")
    uma.user_permissions.add(make.permission("view_worker"))
    AuthToken.objects.create(user=uma)
    ada = make.person("Ada\nExample ☂", notes="")
    enrolment = make.upload("hopper.jpg", owner=uma, person=ada)
    make.recognised(enrolment, engine=engine, known=known)
    seen = make.recognised(
        make.upload("coffee.png", owner=uma, source="gate"), engine=engine, known=known
    )
    make.upload("sunak.jpg", owner=uma)
    twin = make.person("Twin")
    Merge.objects.create(
        person=twin, into=ada, merged_by=uma, known_faces=[1, 2], people=[str(twin.pk)]
    )
    twin.merged_into = ada
    twin.save()
    stored_archive(owner=uma)
    watched(ada, face=stored_face(seen), by=uma)
    LookBack.objects.create(person=ada, stage="done", why="asked")
    CanaryRun.objects.create(step="on its way")
    counts = {"faces": 1, "probes": 3, "agreed": 2, "low": 0.1, "high": 2 / 3}
    GalleryAudit.objects.create(engine="opencv", held="exact", is_passed=False, **counts)
    ledger_rows(uma)
    LogEntry.objects.create(
        user=uma,
        content_type=ContentType.objects.get_for_model(Photo),
        object_id=str(seen.pk),
        object_repr="photo",
        action_flag=ADDITION,
    )
    # The largest numbers that tombstones and rows have are not those of living rows.
    with_tombstone(make.known_face(make.person("Gone")))


def stored_face(photo: Photo) -> Face:
    """A face with its chip, and with numbers that are hard to keep."""
    box = {"score": 0.1 + 0.2, "quality": -0.0}
    vector = np.array([1e-40, -0.0, np.pi, 3.4e38] * 32, np.float32)
    face = make.face(photo=photo, index=7, vector=vector, **box)
    face.landmarks = [[1e-07, 1e22], [-0.0, 1.0], [0.1, 2], [3, 4], [5, 6]]
    face.save()
    default_storage.save(face.chip_name, ContentFile(b"chip"))
    return face


def stored_archive(*, owner: Any) -> None:
    """An archive that nobody has confirmed, with its entries."""
    batches.store(packed({"Ada/1.jpg": demo_photos.path("hopper.jpg").read_bytes()}), owner=owner)
    assert BatchEntry.objects.count() == 1


def watched(person: Any, *, face: Face, by: Any) -> None:
    """A list with everything that comes of a sighting."""
    watchlist = make.watchlist(people=(person,), only_sources=["gate"], active_from="08:30")
    subscription = make.subscription(watchlist, secret="whsec_abc")
    make.sighting(person=person, face=face)
    alert = make.alert(watchlist=watchlist, person=person, face=face)
    Appearance.objects.create(
        alert=alert,
        watchlist=watchlist,
        person=person,
        face=face,
        photo=face.photo,
        seen_at=timezone.now(),
    )
    event = Event.objects.create(number=1, alert=alert, kind="raised", status="open")
    EventState.objects.update_or_create(pk=1, defaults={"number": 1})
    now = timezone.now()
    digest = Digest.objects.create(
        stage="sent",
        recipient="ops@example.org",
        mode="daily",
        window_start=now - timedelta(days=1),
        window_end=now,
    )
    delivery = {"channel": "email", "target": "ops@example.org", "mode": "instant"}
    Delivery.objects.create(
        alert=alert, subscription=subscription, event=event, stage="sent", digest=digest, **delivery
    )
    Rejection.objects.create(
        person=person, face=face, alert=alert, created_by=by, expires_at=now + timedelta(days=9)
    )
    Outage.objects.create(channel="email", until=now)


def ledger_rows(user: Any) -> None:
    """What the ledger keeps."""
    now = timezone.now()
    Window.objects.create(job="digests", opens_at=now)
    Served.objects.create(queue="detect", starts_at=now, seconds=1 / 3)
    Minute.objects.create(subject="recognition.photo", starts_at=now, done=1, failed=0)
    Pause.objects.create(subject="alerts.digest.pending", paused_by=user, reason="moving")


def with_tombstone(known: KnownFace) -> None:
    """A known face that was taken out of the gallery."""
    photos.delete_photos([known.face.photo])
    assert Tombstone.objects.exists()


def contents(alias: str = "default") -> dict[str, tuple[int, str]]:
    """How many rows each table has, and their digest."""
    found = {
        table.label: rows.digest(table, using=alias, tick=lambda _: None) for table in carried()
    }
    return {label: (digest.rows, digest.content) for label, digest in found.items()}


def files(storage: Any = default_storage, folder: str = "") -> dict[str, str]:
    """The hash of every file in a storage."""
    try:
        folders, names = storage.listdir(folder)
    except FileNotFoundError:
        return {}
    found = {}
    for name in names:
        path = f"{folder}/{name}".lstrip("/")
        with storage.open(path) as file:
            found[path] = hashlib.sha256(file.read()).hexdigest()
    for name in folders:
        found |= files(storage, f"{folder}/{name}".lstrip("/"))
    return found


def wipe() -> None:
    """Leave nothing of the installation but what a first start makes."""
    for table in reversed(carried()):
        if table.label not in databases.FURNISHED:
            rows.empty(table, using="default")
    User.objects.create_superuser("admin", email="", password=None)
    for name in files():
        default_storage.delete(name)


def other_installation() -> None:
    """Let this database be one that began at another time."""
    databases.set_birthday(timezone.now().isoformat(), using="default")


@cache
def _template() -> str:
    url = servers.postgres().create()
    databases.make_tables(url)
    return url.rpartition("/")[2]


def prepared_target() -> str:
    """The URL of a PostgreSQL database in which the migrations have run, and nothing else."""
    return servers.postgres().create(like=_template())
