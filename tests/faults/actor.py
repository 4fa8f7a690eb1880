"""An installation without a clock of its own, for tests of crashes: `python -m tests.faults.actor`.

It prepares the data folder that FACEWATCH_DATA_DIR names, with one watched person and a program at HOOK_URL, and then
obeys lines of JSON on standard input: {"crash_at": label, …} lives through a day in a forked process, which dies at the
crash point, or the first time it gets there after the digests are due with {"after": "digests"}, or in a delivery over
one channel with {"after": channel}; {"recover": true, …} goes on without a crash until nothing is left to do, and tells
what is wrong then. {"guarantee": …} is FACEWATCH_MAIL_GUARANTEE, and {"hours": h} how far the clock is ahead, so that
nobody waits for leases. The last line of each answer has "exit".
"""

import io
import json
import os
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "facewatch.settings")
django.setup()

import time_machine  # noqa: E402 (Django's settings come first)
from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import default_storage  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from alerts.channels.webhook import new_secret  # noqa: E402
from alerts.models import Alert, Delivery, Digest, Outgoing, Subscription, WatchList  # noqa: E402
from ledger import databases, queues  # noqa: E402
from ledger.sweep import sweep  # noqa: E402
from recognition import batches, loaded, lookback, photos, searches, tasks  # noqa: E402
from recognition.models import (  # noqa: E402
    Batch,
    Face,
    KnownFace,
    LookBack,
    Person,
    Photo,
    Search,
    Sighting,
)
from tests.archives import packed  # noqa: E402
from tests.pictures import small_copy  # noqa: E402

#: Times that the clock is set forward in recovery; each passes a lease, and most waits between two attempts.
ROUNDS = 6
ROUND = timedelta(minutes=20)
Stage = Outgoing.Stage


def prepare() -> None:
    """Set up a new installation with a person, a watch-list and three who hear of it, one of them a program."""
    call_command("prepare", stdout=io.StringIO())
    person = Person.objects.create(name="Barack Obama")
    enrol(person, "obama-2009.jpg", number=0)
    drain()
    assert KnownFace.objects.count() == 1, "the person could not be enrolled"
    watchlist = WatchList.objects.create(name="Lobby", cooldown_seconds=0)
    watchlist.people.add(person)
    for mode in (Subscription.Mode.INSTANT, Subscription.Mode.HOURLY):
        Subscription.objects.create(watchlist=watchlist, mode=mode, target=f"{mode}@example.org")
    Subscription.objects.create(
        watchlist=watchlist,
        channel=Subscription.Channel.WEBHOOK,
        mode=Subscription.Mode.INSTANT,
        target=os.environ["HOOK_URL"],
        secret=new_secret(),
    )


def live(number: int, *, crash_at: str, after: str) -> None:
    """Do what an installation does within some hours; say each answer of the API as soon as it is there."""
    if after == "start":
        settings.CRASH_AT = crash_at
    client = Client(SERVER_NAME="localhost")
    client.force_login(get_user_model().objects.get(username="admin"))
    upload(client, number=2 * number)
    enrol(Person.objects.create(name=f"Person {number}"), "hopper.jpg", number=number)
    send_archive(number)
    # A wake-up that is lost, and a file that belongs to nobody: the sweep's work.
    second = upload(client, number=2 * number + 1)
    queues.huey.flush()
    default_storage.save(f"photos/00/00000000-0000-4000-8000-{number:012}/left.png", photo_file(0))
    with time_machine.travel(timezone.now() + timedelta(hours=2)):
        sweep()
        drain(crash_at=crash_at, in_channel=after)
        search = searches.ask(photo_file(number))
        tasks.wake_search(search)
        drain()
        searches.wait_for_answer(search, seconds=0)
        look_back()
    with time_machine.travel(timezone.now() + timedelta(hours=4)):
        if after == "digests":
            settings.CRASH_AT = crash_at
        look_for_digests()
        drain()
    client.delete(f"/api/v1/photos/{second}/")


def look_back() -> None:
    """Have stored photos looked through for the person who is on all of them."""
    watched = WatchList.objects.get(name="Lobby").people.get()
    if look := lookback.request(watched, why=LookBack.Why.ASKED):
        tasks.wake_look_back(look)
        drain()


def recover() -> list[str]:
    """Go on without a crash, as time passes, until nothing should be left; return what is wrong."""
    for number in range(ROUNDS):
        with time_machine.travel(timezone.now() + ROUND * (number + 1)):
            sweep()
            drain()
            look_for_digests()
            drain()
    with time_machine.travel(timezone.now() + timedelta(hours=4)):
        look_for_digests()
        drain()
        sweep()
    return list(faults())


def faults() -> Any:
    """Yield a line for each thing that must never be."""
    if queues.length():
        yield f"{queues.length()} messages are left"
    for model in (Photo, Search, Batch, LookBack, Delivery, Digest):
        rows = model._default_manager.all()
        yield from (f"{row} is held for ever" for row in rows.exclude(lease_until=None))
        yield from (f"{row} is {row.stage} for ever" for row in rows.filter(stage__in=_open(model)))
    yield from (f"{search} is kept" for search in Search.objects.all())
    for photo in Photo.objects.filter(stage=Photo.Stage.FAILED):
        yield f"{photo} failed: {photo.error_code}"
    uploads = Photo.objects.filter(purpose=Photo.Purpose.UPLOAD)
    for photo in Photo.objects.annotate(count=Count("faces")).exclude(count=1):
        yield f"{photo} has {photo.count} faces"
    for photo in uploads:
        found = Counter(
            faces=Face.objects.filter(photo=photo).count(),
            sightings=Sighting.objects.filter(photo=photo).count(),
            alerts=Alert.objects.filter(photo=photo).count(),
            deliveries=Delivery.objects.filter(alert__photo=photo).count(),
        )
        # Two mails; the program hears of its end as well.
        if found != Counter(faces=1, sightings=1, alerts=1, deliveries=4):
            yield f"{photo} has {dict(found)}"
    enrolments = Photo.objects.filter(purpose=Photo.Purpose.ENROLMENT).count()
    if KnownFace.objects.count() != enrolments:
        yield f"{enrolments} enrolments made {KnownFace.objects.count()} known faces"
    yield from stray_files()


def _open(model: Any) -> tuple[str, ...]:
    extra = (Stage.SENDING, Stage.BATCHED) if issubclass(model, Outgoing) else ()
    return (*model.OPEN_STAGES, *extra)


def told(channel: str) -> list[tuple[str, str, str, str]]:
    """Return id, target, alert and end of each delivery through a channel."""
    rows = Delivery.objects.filter(channel=channel)
    return [
        (str(pk), target, str(alert), stage)
        for pk, target, alert, stage in rows.values_list("pk", "target", "alert", "stage")
    ]


def stray_files() -> Any:
    """Yield a line for each file that no row names, and for each that a row names in vain."""
    there = {
        str(path.relative_to(settings.MEDIA_ROOT))
        for path in settings.MEDIA_ROOT.rglob("*")
        if path.is_file()
    }
    named = {face.chip_name for face in Face.objects.all()}
    for photo in Photo.objects.all():
        named |= {str(photo.image.name), photo.picture_name, photo.thumbnail_name}
    # One that nobody confirmed waits for that.
    named |= set(Batch.objects.exclude(archive="").values_list("archive", flat=True))
    yield from (f"{name} belongs to nobody" for name in sorted(there - named))
    yield from (f"{name} is not there" for name in sorted(named - there))


def drain(*, crash_at: str = "", in_channel: str = "") -> None:
    """Take and run what is queued, as one worker would, until nothing is; die where a delivery of a channel does."""
    deadly = Delivery.objects.filter(channel=in_channel)
    while task := queues.huey.dequeue():
        if task.name == "deliver" and deadly.filter(pk=task.args[0]).exists():
            settings.CRASH_AT = crash_at
        queues.huey.execute(task)


def look_for_digests() -> None:
    """Enqueue what is due this minute, as a consumer's scheduler would."""
    for task in queues.huey.read_periodic(timezone.localtime().replace(tzinfo=None)):
        queues.huey.enqueue(task)


def upload(client: Client, *, number: int) -> str:
    """Upload a photo of the watched person; return its id, which was said as well."""
    answer = client.post("/api/v1/photos/", {"image": photo_file(number)})
    assert answer.status_code == 202, answer.content
    say({"accepted": answer.json()["id"]})
    return str(answer.json()["id"])


def enrol(person: Person, name: str, *, number: int) -> None:
    """Store a photo to know a person by, and wake a worker."""
    stored = photos.store_photo(photo_file(number, name=name), owner=None, person=person)
    tasks.wake_photo(stored.photo)
    say({"accepted": str(stored.photo.pk)})


def send_archive(number: int) -> None:
    """Store an archive of one person with one photo, and let the workers take it in."""
    data = small_copy("hopper.jpg", number=1_000_000 + number)
    batch = batches.store(packed({f"Archive {number}/1.jpg": data}), owner=None)
    batches.confirm(batch)
    tasks.wake_batch(batch)


def photo_file(number: int, *, name: str = "obama-2012.jpg") -> "ContentFile[bytes]":
    """Return a small photo with bytes of its own."""
    return ContentFile(small_copy(name, number=number), name="photo.jpg")


def say(answer: Any) -> None:
    """Write a line at once: what was said before a crash counts."""
    os.write(1, json.dumps(answer).encode() + b"\n")


def obey(order: dict[str, Any]) -> int:
    """Carry out an order in a forked process; return how that ended, as `os.waitstatus_to_exitcode` has it."""
    databases.let_go()
    queues.huey.storage.close()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        settings.MAIL_GUARANTEE = order.get("guarantee", "at_most_once")
        with time_machine.travel(timezone.now() + timedelta(hours=order["hours"])):
            if order.get("recover"):
                say({"faults": recover(), "mails": told("email"), "calls": told("webhook")})
            else:
                after = order.get("after", "start")
                live(order["number"], crash_at=order["crash_at"], after=after)
    except BaseException as error:  # noqa: BLE001 (a forked process must never go on as its parent)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    prepare()
    loaded.start()
    say({"ready": True})
    for line in sys.stdin:
        say({"exit": obey(json.loads(line))})
