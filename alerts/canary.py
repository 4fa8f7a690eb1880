"""Silence is noticed: a picture of nobody goes through upload, recognition, alert and delivery, and must arrive.

The sweep starts one every so often, and looks for those under way: it runs in a process of its own, and so notices
also that no worker is there. What it started is removed when it arrived. That one is late is logged, shown on the
front page, and mailed to FACEWATCH_OPERATORS.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from alerts import canary_picture
from alerts.models import CANARY_SOURCE, CanaryRun, Delivery, Subscription, WatchList
from ledger import pauses
from ledger.intake import Refused
from recognition import photos
from recognition.models import KnownFace, Person, Photo

logger = logging.getLogger(__name__)

#: What stands for the canary in lists of people and of watch-lists.
NAME = "Facewatch canary"
#: Seconds until it is tried again to tell that one is late.
REPORT_AGAIN_SECONDS = 600
#: Days for which it is kept how they fared.
KEEP_DAYS = 30


def keep() -> int:
    """Do what is to be done for the canary now; return how many arrived or were found late. A chore of the sweep."""
    now = timezone.now()
    done = watch_over(now=now)
    for run in CanaryRun.objects.filter(
        late_at__isnull=False, reported_at=None, report_next_at__lte=now
    ):
        _report(run, now=now)
    # A pause is known to those who made it.
    if settings.CANARY_MINUTES and _is_due(now) and not pauses.paused():
        send()
    CanaryRun.objects.filter(started_at__lt=now - timedelta(days=KEEP_DAYS)).delete()
    return done


def watch_over(*, now: datetime) -> int:
    """Look at those that have not arrived; return how many came to an end."""
    return sum(_follow(run, now=now) for run in CanaryRun.objects.filter(arrived_at=None))


def under_way() -> CanaryRun | None:
    """Return the one that is on its way and not late."""
    return CanaryRun.objects.filter(is_under_way=True).first()


def send() -> CanaryRun | None:
    """Start one; None if one is under way already. The sweep wakes its worker, whoever calls this may do so before."""
    person = _person()
    try:
        with transaction.atomic():
            run = CanaryRun.objects.create(step=_("not yet taken in"))
    except IntegrityError:
        return None
    _take_in(run, person=person)
    return run


def _take_in(run: CanaryRun, *, person: Person) -> None:
    """Store the picture, once the face on it is known; before that, the one to know it by."""
    try:
        if KnownFace.objects.filter(person=person).exists():
            run.photo, run.step = _store(seed=run.pk), ""
        else:
            # Recognised before its face is known, it would be a stranger.
            run.step = _("its face is not known yet")
            if not waiting():
                photos.retry_photo(_store(seed=0, person=person))
    except (Refused, OSError) as error:
        run.step = str(error)[:100]
    CanaryRun.objects.filter(pk=run.pk, photo=None).update(photo=run.photo, step=run.step)


def waiting() -> list[Photo]:
    """Return the photos that a run waits for: its own, or that to know it by."""
    return list(Photo.objects.filter(source=CANARY_SOURCE, owner=None, stage__in=Photo.OPEN_STAGES))


def follow(run: CanaryRun) -> bool:
    """Look how far one has come; return whether it arrived."""
    run.refresh_from_db()
    if run.arrived_at is None:
        _follow(run, now=timezone.now())
        run.refresh_from_db()
    return run.arrived_at is not None


def late() -> CanaryRun | None:
    """Return the newest one if it did not arrive in time; None if all is well, or none was ever sent."""
    run = CanaryRun.objects.filter(is_under_way=False).first()
    return run if run and run.arrived_at is None else None


def _is_due(now: datetime) -> bool:
    newest = CanaryRun.objects.first()
    if newest is None:
        return True
    return not now - timedelta(minutes=settings.CANARY_MINUTES) < newest.started_at <= now


def _follow(run: CanaryRun, *, now: datetime) -> bool:
    """Store how far a run came, and its end if it came to one; return whether it did now."""
    mine = CanaryRun.objects.filter(pk=run.pk, arrived_at=None)
    if run.photo_id is None and run.is_under_way:
        _take_in(run, person=_person())
    if _has_arrived(run):
        mine.update(arrived_at=now, step="", is_under_way=False)
        _clear(run)
        return True
    step = _step_of(run)
    mine.update(step=step)
    overdue = now - run.started_at > timedelta(seconds=settings.CANARY_SECONDS)
    if run.late_at is None and overdue:
        logger.error("The canary of %s has not arrived: %s", run.started_at, step)
        return bool(mine.filter(late_at=None).update(late_at=now, is_under_way=False))
    if overdue and now - run.started_at > timedelta(days=1):
        _clear(run)
    return False


def _has_arrived(run: CanaryRun) -> bool:
    told = Delivery.objects.filter(channel=Subscription.Channel.SINK, stage=Delivery.Stage.SENT)
    return run.photo_id is not None and told.filter(alert__photo=run.photo_id).exists()


def _step_of(run: CanaryRun) -> str:
    """Return how far one has come, in words."""
    photo = run.photo
    if photo is None:
        return run.step or _("the photo is gone")
    if photo.stage == Photo.Stage.FAILED:
        return _("its recognition failed (%s)") % photo.error_code
    if photo.stage != Photo.Stage.DONE:
        return _("its recognition waits (%s)") % photo.stage
    if not photo.alerts.exists():
        return _("it was recognised, and no alert was raised")
    return _("its alert was raised, and not delivered")


def _clear(run: CanaryRun) -> None:
    """Remove the photo of one that has ended, with its alert and delivery."""
    if run.photo:
        photos.delete_photos([run.photo])


def _report(run: CanaryRun, *, now: datetime) -> None:
    """Tell the operators once that one is late; a failure is tried again after a while.

    Of those that come late one after the other only the first is told.
    """
    before = CanaryRun.objects.filter(started_at__lt=run.started_at).first()
    if before and before.late_at and before.reported_at:
        CanaryRun.objects.filter(pk=run.pk).update(reported_at=before.reported_at)
        return
    again = now + timedelta(seconds=REPORT_AGAIN_SECONDS)
    mine = CanaryRun.objects.filter(pk=run.pk, reported_at=None, report_next_at=run.report_next_at)
    if not mine.update(report_next_at=again) or not settings.OPERATORS:
        return
    text = _(
        "The canary of %(started)s did not arrive within %(seconds)d s: %(step)s.\n\n"
        "Photos may be recognised late or not at all, and alerts not be told. Look at %(address)s/queue/."
    ) % {
        "started": f"{run.started_at:%Y-%m-%d %H:%M} UTC",
        "seconds": settings.CANARY_SECONDS,
        "step": run.step,
        "address": settings.BASE_URL,
    }
    try:
        send_mail(_("Facewatch: the canary did not arrive"), text, None, settings.OPERATORS)
    except OSError as error:
        logger.warning("That the canary is late could not be mailed: %s", error)
        return
    CanaryRun.objects.filter(pk=run.pk).update(reported_at=now)


def _person() -> Person:
    """Return nobody, on a list of their own that is told to nobody; made when they are missing."""
    with transaction.atomic():
        watchlist, _made = WatchList.objects.get_or_create(
            is_canary=True,
            defaults={
                "name": NAME,
                "only_sources": [CANARY_SOURCE],
                "cooldown_seconds": 0,
                "ambiguity_margin": 0,
            },
        )
        person = watchlist.people.first()
        if person is None:
            notes = _("A drawn face of nobody, by which the server tries itself.")
            person = Person.objects.create(name=NAME, notes=notes)
            watchlist.people.add(person)
        Subscription.objects.get_or_create(
            watchlist=watchlist, channel=Subscription.Channel.SINK, target=CANARY_SOURCE
        )
    return person


def _store(*, seed: int, person: Person | None = None) -> Photo:
    content = ContentFile(canary_picture.draw(seed), name="canary.jpg")
    origin = photos.Origin(source=CANARY_SOURCE)
    return photos.store_photo(content, owner=None, person=person, origin=origin).photo
