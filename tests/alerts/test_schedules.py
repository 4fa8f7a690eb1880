"""When a digest is due: in the recipient's own time, not in quiet hours, and also when nothing was seen."""

from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import time_machine

from alerts import digests, review, schedules, watch
from alerts.models import Alert, Delivery, Digest, Subscription, WatchList
from ledger.models import Minute
from recognition.models import Person
from tests import make
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db


def at(hour: int, minute: int = 0, *, day: int = 10, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.fixture
def lobby(ada: Person) -> WatchList:
    return make.watchlist("Lobby", people=(ada,))


def seen(person: Person, *, when: datetime, **options: Any) -> Alert:
    """An alert raised at a time."""
    with time_machine.travel(when, tick=False):
        sighting = make.sighting(person=person, face=make.face())
        watch.raise_alerts(sighting.photo_id, **options)
    return Alert.objects.get(photo=sighting.photo)


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


class TestWindows:
    def daily(self, zone: str, hour: int = 8) -> Subscription:
        return Subscription(mode="daily", time_zone=zone, daily_at=time(hour))

    def test_a_day_ends_at_the_recipients_hour(self) -> None:
        window = schedules.window_of(self.daily("Asia/Tokyo"), now=at(12))
        assert window == schedules.Window(start=at(23, day=8), end=at(23, day=9))

    def test_a_day_on_which_the_clocks_change_has_23_or_25_hours(self) -> None:
        berlin = self.daily("Europe/Berlin")
        spring = schedules.window_of(berlin, now=at(12, day=29, month=3))
        autumn = schedules.window_of(berlin, now=at(12, day=25, month=10))
        assert spring
        assert spring.end - spring.start == timedelta(hours=23)
        assert autumn
        assert autumn.end - autumn.start == timedelta(hours=25)

    def test_an_hour_that_the_clocks_skip_comes_all_the_same(self) -> None:
        window = schedules.window_of(self.daily("Europe/Berlin", 2), now=at(12, day=29, month=3))
        assert window
        assert window.end.date() == at(0, day=29).date()


class TestQuietHours:
    @pytest.fixture
    def sleeper(self, lobby: WatchList) -> Subscription:
        """Who wants no message from 22 to 6 o'clock in Berlin."""
        return make.subscription(
            lobby, quiet_from=time(22), quiet_until=time(6), time_zone="Europe/Berlin"
        )

    def test_what_comes_in_them_is_told_together_at_their_end(
        self, ada: Person, lobby: WatchList, sleeper: Subscription, mailbox: Mailbox
    ) -> None:
        lobby.cooldown_seconds = 0
        lobby.save()
        seen(ada, when=at(23))
        seen(ada, when=at(3, day=11))
        assert digests.open_due_digests(at(4, 59, day=11)) == []
        (digest,) = digests.open_due_digests(at(5, 1, day=11))
        digests.send_digest(digest.pk)
        (mail,) = mailbox.mails
        assert mail["Subject"] == "2 possible sightings of Ada Example on Lobby"
        assert "Your collected alerts" in text_of(mail)

    def test_by_day_it_is_told_at_once(self, ada: Person, sleeper: Subscription) -> None:
        seen(ada, when=at(12))
        assert Delivery.objects.get().stage == "pending"

    def test_a_list_of_high_priority_wakes_them(
        self, ada: Person, lobby: WatchList, sleeper: Subscription
    ) -> None:
        WatchList.objects.update(priority="high")
        seen(ada, when=at(23))
        assert Delivery.objects.get().stage == "pending"

    def test_no_hourly_digest_comes_in_them(
        self, ada: Person, lobby: WatchList, sleeper: Subscription
    ) -> None:
        Subscription.objects.update(mode="hourly")
        seen(ada, when=at(21, 30))
        assert digests.open_due_digests(at(22)) == []
        assert len(digests.open_due_digests(at(5, day=11))) == 1


def test_what_looking_back_found_comes_by_the_hour_in_a_section_of_its_own(
    ada: Person, lobby: WatchList, mailbox: Mailbox
) -> None:
    make.subscription(lobby)
    seen(ada, when=at(9, 20), historic=True)
    assert digests.open_due_digests(at(9, 59)) == []
    (digest,) = digests.open_due_digests(at(10))
    digests.send_digest(digest.pk)
    assert "FOUND IN OLDER PHOTOS Watch-list Lobby" in text_of(mailbox.mails[0])


def test_a_dismissal_after_the_digest_is_corrected_in_the_next(
    ada: Person, lobby: WatchList, mailbox: Mailbox
) -> None:
    make.subscription(lobby, mode="hourly")
    alert = seen(ada, when=at(9, 20))
    (first,) = digests.open_due_digests(at(10))
    digests.send_digest(first.pk)
    with time_machine.travel(at(10, 30), tick=False):
        review.decide(alert, status="dismissed", by=make.user(), version=1)
    (second,) = digests.open_due_digests(at(11))
    digests.send_digest(second.pk)
    assert mailbox.mails[1]["Subject"] == "Correction: possible sighting of Ada Example on Lobby"
    assert "It was not Ada Example: the alert was dismissed" in text_of(mailbox.mails[1])


def test_a_verdict_that_was_changed_back_before_it_was_told_is_not_told(
    ada: Person, lobby: WatchList, mailbox: Mailbox
) -> None:
    make.subscription(lobby, mode="hourly")
    alert = seen(ada, when=at(9, 20))
    (first,) = digests.open_due_digests(at(10))
    digests.send_digest(first.pk)
    with time_machine.travel(at(10, 30), tick=False):
        review.decide(alert, status="dismissed", by=make.user(), version=1)
        review.decide(alert, status="confirmed", by=make.user("ugo"), version=2)
    (second,) = digests.open_due_digests(at(11))
    digests.send_digest(second.pk)
    second.refresh_from_db()
    assert second.stage == "dropped"
    assert len(mailbox.mails) == 1


class TestNothingSeen:
    @pytest.fixture
    def daily(self, lobby: WatchList) -> Subscription:
        """Who gets a digest at eight, since long ago."""
        made = make.subscription(lobby, mode="daily")
        Subscription.objects.update(created_at=at(0, day=1))
        return made

    def due(self, *, day: int = 10) -> Digest:
        (digest,) = digests.open_due_digests(at(8, day=day))
        digests.send_digest(digest.pk)
        digest.refresh_from_db()
        return digest

    def counted(self, *, since: datetime, minutes: int, **counts: Any) -> None:
        """Minutes of the ledger's books."""
        facts = {"subject": "recognition.Photo", "done": 1, "failed": 0, "waiting": 0} | counts
        Minute.objects.bulk_create(
            Minute(starts_at=since + timedelta(minutes=number), **facts)
            for number in range(minutes)
        )

    def test_says_how_many_photos_were_looked_at(
        self, daily: Subscription, mailbox: Mailbox
    ) -> None:
        for _ in range(3):
            make.photo(finished_at=at(20, day=9))
        make.photo(finished_at=at(7, day=9))
        assert self.due().stage == "sent"
        (mail,) = mailbox.mails
        assert mail["Subject"] == "Nothing seen"
        assert "3 photos looked at, without a break." in text_of(mail)

    def test_says_when_the_pipeline_was_down(self, daily: Subscription, mailbox: Mailbox) -> None:
        self.counted(since=at(8, day=9), minutes=60 * 4)
        self.counted(since=at(14, day=9), minutes=60 * 18)
        self.due()
        (mail,) = mailbox.mails
        assert mail["Subject"] == "Nothing seen, and the server stood still for a while"
        assert "The pipeline was down from 9 Mar, 12:00 to 9 Mar, 14:00 UTC." in text_of(mail)

    def test_counts_workers_that_did_nothing_while_photos_waited_as_down(
        self, daily: Subscription, mailbox: Mailbox
    ) -> None:
        self.counted(since=at(8, day=9), minutes=60)
        self.counted(since=at(9, day=9), minutes=30, done=0, waiting=5)
        self.counted(since=at(9, 30, day=9), minutes=60 * 22 + 30)
        self.due()
        assert "was down from 9 Mar, 09:00 to 9 Mar, 09:30" in text_of(mailbox.mails[0])

    def test_minutes_in_which_photos_were_done_are_no_downtime_though_nobody_counted(
        self, daily: Subscription, mailbox: Mailbox
    ) -> None:
        self.counted(since=at(8, day=9), minutes=60)
        self.counted(since=at(9, day=9), minutes=5, waiting=None)
        # One that nobody counted beside two that stood still is not worth telling.
        self.counted(since=at(9, 5, day=9), minutes=1, done=0, waiting=None)
        self.counted(since=at(9, 6, day=9), minutes=2, done=0, waiting=5)
        self.counted(since=at(9, 8, day=9), minutes=60 * 22 + 52)
        self.due()
        assert mailbox.mails[0]["Subject"] == "Nothing seen"

    def test_tells_the_beginning_of_what_began_before(
        self, daily: Subscription, mailbox: Mailbox
    ) -> None:
        self.counted(since=at(8, day=6), minutes=60)
        self.counted(since=at(12, day=9), minutes=60 * 20)
        self.due()
        assert "was down from 6 Mar, 09:00 to 9 Mar, 12:00" in text_of(mailbox.mails[0])

    def test_comes_once_a_day(self, daily: Subscription, mailbox: Mailbox) -> None:
        self.due()
        assert digests.open_due_digests(at(8, 1)) == []
        assert digests.open_due_digests(at(7, 59, day=11)) == []
        self.due(day=11)

    def test_is_not_told_to_who_does_not_want_it_or_came_in_between(
        self, daily: Subscription
    ) -> None:
        Subscription.objects.update(created_at=at(8, 1, day=9))
        assert digests.open_due_digests(at(8)) == []
        Subscription.objects.update(created_at=at(0, day=1), tells_nothing_seen=False)
        assert digests.open_due_digests(at(8)) == []

    def test_gives_times_in_the_recipients_zone(
        self, daily: Subscription, ada: Person, mailbox: Mailbox
    ) -> None:
        Subscription.objects.update(time_zone="Europe/Berlin")
        seen(ada, when=at(6, day=10))
        (digest,) = digests.open_due_digests(at(7))
        digests.send_digest(digest.pk)
        assert "until 10 March 2026, 08:00 CET" in text_of(mailbox.mails[0])
