"""The canary arrives when all is well, and is missed when anything is not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from alerts import browsing, canary, canary_picture, deliveries, feed, watch
from alerts.models import Alert, CanaryRun, Delivery
from ledger import pauses
from ledger.sweep import sweep
from recognition import engine as engines
from recognition.engine import Engine
from recognition.gallery import Gallery
from recognition.models import KnownFace, Person, Photo
from tests import make
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """A clock that is moved by hand."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def sent() -> CanaryRun:
    """One on its way, whose face is known already."""
    run = canary.send()
    assert run
    make.known_face(Person.objects.get(watchlists__is_canary=True))
    canary.follow(run)
    assert run.photo
    return run


def recognise_all(engine: Engine, known: Gallery) -> None:
    """Do what workers do with the photos that wait."""
    for photo in Photo.objects.exclude(stage="done"):
        make.recognised(photo, engine=engine, known=known)


def recognised(engine: Engine, known: Gallery) -> CanaryRun:
    """The first one of an installation, recognised: before it the face that it is known by."""
    run = canary.send()
    assert run
    recognise_all(engine, known)
    canary.follow(run)
    recognise_all(engine, known)
    return run


@pytest.mark.parametrize("name", ["opencv", "dlib"])
def test_each_engine_takes_the_drawing_for_one_clear_face(name: str) -> None:
    picture = engines.open_photo(BytesIO(canary_picture.draw(1)), max_pixels=10**6)
    (face,) = engines.load(name).detect(picture)
    assert engines.assess(picture, face).value > engines.MINIMUM_FOR_ENROLMENT


def test_each_seed_is_another_file() -> None:
    assert canary_picture.draw(1) == canary_picture.draw(1) != canary_picture.draw(2)


def test_one_that_went_through_everything_has_arrived_and_leaves_nothing(
    engine: Engine, known: Gallery
) -> None:
    run = recognised(engine, known)
    deliveries.deliver(Delivery.objects.get().pk)
    assert canary.keep() == 1
    run.refresh_from_db()
    assert run.arrived_at
    assert canary.late() is None
    assert not Alert.objects.exists()
    assert not Photo.objects.filter(purpose="upload").exists()
    assert KnownFace.objects.count() == 1


def test_reviewers_and_programs_do_not_see_it(engine: Engine, known: Gallery) -> None:
    recognised(engine, known)
    assert Alert.objects.exists()
    assert not browsing.open_alerts().exists()
    assert feed.after(0) == []


class TestWhenItIsLate:
    def test_it_is_told_how_far_it_came_once(
        self, clock: time_machine.Traveller, mailbox: Mailbox, settings: Settings
    ) -> None:
        settings.OPERATORS = ["ops@example.org"]
        sent()
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS))
        canary.keep()
        assert canary.late() is None
        clock.shift(timedelta(seconds=1))
        canary.keep()
        canary.keep()
        late = canary.late()
        assert late
        assert late.step == "its recognition waits (uploaded)"
        (mail,) = mailbox.mails
        assert mail["Subject"] == "Facewatch: the canary did not arrive"
        assert "its recognition waits (uploaded)" in mail.get_content()
        # Of those that come late after it nothing more is mailed, until one has arrived.
        for _ in range(3):
            canary.send()
            clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
            canary.keep()
        assert len(mailbox.mails) == 1
        canary.send()
        CanaryRun.objects.filter(is_under_way=True).update(is_under_way=False, arrived_at=NOON)
        clock.shift(timedelta(seconds=1))
        canary.send()
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
        canary.keep()
        assert len(mailbox.mails) == 2

    def test_a_mail_server_that_is_away_is_tried_again_later(
        self, clock: time_machine.Traveller, mailbox: Mailbox, settings: Settings
    ) -> None:
        settings.OPERATORS = ["ops@example.org"]
        port, settings.EMAIL_PORT = settings.EMAIL_PORT, 1
        sent()
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
        canary.keep()
        settings.EMAIL_PORT = port
        canary.keep()
        assert mailbox.mails == []
        clock.shift(timedelta(seconds=canary.REPORT_AGAIN_SECONDS))
        canary.keep()
        canary.keep()
        assert len(mailbox.mails) == 1

    @pytest.mark.parametrize(
        ("stage", "step"),
        [
            ("failed", "its recognition failed (no_face)"),
            ("done", "it was recognised, and no alert was raised"),
        ],
    )
    def test_it_says_what_is_wrong(
        self, clock: time_machine.Traveller, settings: Settings, stage: str, step: str
    ) -> None:
        sent()
        Photo.objects.filter(purpose="upload").update(stage=stage, error_code="no_face")
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
        canary.keep()
        late = canary.late()
        assert late
        assert late.step == step

    def test_the_front_page_says_so(
        self, clock: time_machine.Traveller, settings: Settings, client: Client
    ) -> None:
        plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        settings.STORAGES = settings.STORAGES | {"staticfiles": plain}
        sent()
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
        canary.keep()
        client.force_login(make.user(role="operator"))
        assert "The canary did not arrive" in client.get("/").content.decode()

    def test_one_that_comes_after_all_ends_the_alarm(
        self,
        clock: time_machine.Traveller,
        settings: Settings,
        engine: Engine,
        known: Gallery,
    ) -> None:
        recognised(engine, known)
        clock.shift(timedelta(seconds=settings.CANARY_SECONDS + 1))
        canary.keep()
        assert canary.late()
        deliveries.deliver(Delivery.objects.get().pk)
        canary.keep()
        assert canary.late() is None


def test_the_sweep_starts_one_every_so_often(
    clock: time_machine.Traveller, settings: Settings
) -> None:
    sweep()
    assert not CanaryRun.objects.exists()
    settings.CANARY_MINUTES = 30
    sweep()
    sweep()
    assert CanaryRun.objects.count() == 1
    clock.shift(timedelta(minutes=30))
    sweep()
    assert CanaryRun.objects.count() == 2


def test_the_database_refuses_a_second_one_under_way() -> None:
    sent()
    assert canary.send() is None
    with pytest.raises(IntegrityError), transaction.atomic():
        CanaryRun.objects.create()


def test_the_command_fails_with_a_line_that_says_how_far_it_came(settings: Any) -> None:
    for _ in range(2):
        # The second call follows the one that is under way.
        with pytest.raises(CommandError, match=r"within 0\.1 s: its face is not known yet"):
            call_command("canary", "--wait", "0.1", stdout=StringIO())
    assert CanaryRun.objects.count() == 1
    CanaryRun.objects.update(started_at=timezone.now() - timedelta(hours=3))
    with pytest.raises(CommandError, match="did not arrive"):
        call_command("canary", "--wait", "0.1", stdout=StringIO())
    assert CanaryRun.objects.filter(late_at=None).count() == 1


def test_nothing_is_told_of_what_stands_still_because_it_is_paused(
    clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.CANARY_MINUTES = 5
    pauses.pause("photo:uploaded", by=None)
    canary.keep()
    assert not CanaryRun.objects.exists()
    pauses.lift("photo:uploaded")
    canary.keep()
    assert CanaryRun.objects.count() == 1


def test_its_picture_is_no_unknown_face_to_other_lists(engine: Engine, known: Gallery) -> None:
    watchlist = make.watchlist(unknown_rule="any")
    run = recognised(engine, known)
    assert run.photo
    KnownFace.objects.all().delete()
    run.photo.sightings.all().delete()
    watch.raise_alerts(run.photo.pk)
    assert not watchlist.alerts.exists()
    Photo.objects.update(source="gate")
    watch.raise_alerts(run.photo.pk)
    assert watchlist.alerts.exists()
