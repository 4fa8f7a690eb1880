"""One mail for each recipient and window, with every alert once."""

from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest
import time_machine
from django.conf import settings
from django.db import IntegrityError, transaction

from alerts import deliveries, digests, schedules, watch, ways
from alerts.models import Alert, Delivery, Digest, Subscription, WatchList
from alerts.ways import Way
from ledger import leases
from ledger.sweep import sweep
from tests import make
from tests.mailbox import Mailbox

pytestmark = pytest.mark.django_db


def at(hour: int, minute: int = 0, *, day: int = 10) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def watched(
    name: str = "Lobby", *, mode: str = "hourly", target: str = "ops@example.org"
) -> WatchList:
    """A list of one person to which somebody subscribes for batches."""
    watchlist = make.watchlist(name, people=(make.person(f"Ada of {name}"),))
    make.subscription(watchlist, mode=mode, target=target)
    return watchlist


def seen(watchlist: WatchList, *, when: datetime) -> Alert:
    """An alert of the list's person, raised at a time."""
    with time_machine.travel(when, tick=False):
        sighting = make.sighting(person=watchlist.people.get(), face=make.face())
        watch.raise_alerts(sighting.photo.pk)
    return Alert.objects.get(photo=sighting.photo)


def sent(digest: Digest) -> Digest:
    """The row after one try."""
    digests.send_digest(digest.pk)
    digest.refresh_from_db()
    return digest


def text_of(mail: Any) -> str:
    return str(mail.get_body(("plain",)).get_content())


def test_a_digest_is_due_when_its_hour_is_over_and_not_before() -> None:
    seen(watched(), when=at(9, 20))
    assert digests.open_due_digests(at(9, 59)) == []
    (digest,) = digests.open_due_digests(at(10))
    assert (digest.window_start, digest.window_end) == (at(9), at(10))


def test_a_daily_digest_is_due_at_eight() -> None:
    seen(watched(mode="daily"), when=at(7, 59, day=9))
    assert digests.open_due_digests(at(7, 59, day=9)) == []
    (digest,) = digests.open_due_digests(at(8, day=9))
    assert (digest.window_start, digest.window_end) == (at(8, day=8), at(8, day=9))


def test_an_alert_of_midnight_itself_belongs_to_the_new_day() -> None:
    seen(watched(mode="daily"), when=at(0, day=10))
    assert digests.open_due_digests(at(0, 1, day=10)) == []
    assert len(digests.open_due_digests(at(0, day=11))) == 1


def test_windows_are_of_utc_wherever_the_clock_is_read() -> None:
    india = at(10, 15).astimezone(tz=None)
    assert schedules.last_window(india, length=timedelta(hours=1)).end == at(10)


def test_a_second_look_opens_nothing() -> None:
    seen(watched(), when=at(9, 20))
    assert len(digests.open_due_digests(at(10))) == 1
    assert digests.open_due_digests(at(10, 1)) == []
    assert Digest.objects.count() == 1


def test_one_mail_tells_of_all_lists_of_a_recipient(mailbox: Mailbox) -> None:
    alerts = [seen(watched(name), when=at(9, 20)) for name in ("Lobby", "Gate")]
    (digest,) = digests.open_due_digests(at(10))
    assert sent(digest).stage == "sent"
    (mail,) = mailbox.mails
    assert mail["Subject"] == "2 possible sightings of Ada of Gate and Ada of Lobby"
    for alert in alerts:
        assert f"http://localhost:8000/alerts/{alert.pk}/" in text_of(mail)
    assert set(Delivery.objects.values_list("stage", flat=True)) == {"sent"}


def test_each_recipient_gets_a_mail_of_their_own(mailbox: Mailbox) -> None:
    watchlist = watched(target="a@example.org")
    make.subscription(watchlist, target="b@example.org", mode="hourly")
    seen(watchlist, when=at(9, 20))
    for digest in digests.open_due_digests(at(10)):
        sent(digest)
    assert sorted(mailbox.recipients) == ["a@example.org", "b@example.org"]


def test_a_second_run_sends_nothing(mailbox: Mailbox) -> None:
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    sent(digest)
    assert sent(digest).stage == "sent"
    assert len(mailbox.mails) == 1


def test_what_comes_late_for_an_opened_window_goes_into_the_next(mailbox: Mailbox) -> None:
    watchlist = watched()
    seen(watchlist, when=at(9, 20))
    sent(*digests.open_due_digests(at(10)))
    late = seen(watchlist, when=at(9, 59))
    assert digests.open_due_digests(at(10, 5)) == []
    sent(*digests.open_due_digests(at(11)))
    assert str(late.pk) not in text_of(mailbox.mails[0])
    assert str(late.pk) in text_of(mailbox.mails[1])


def test_an_alert_of_a_clock_that_ran_ahead_is_told_once_it_is_set_back(mailbox: Mailbox) -> None:
    watchlist = watched()
    ahead = seen(watchlist, when=at(9, 20) + timedelta(days=3650))
    alert = seen(watchlist, when=at(9, 30))
    sent(*digests.open_due_digests(at(10)))
    text = text_of(mailbox.mails[0])
    assert str(ahead.pk) in text
    assert str(alert.pk) in text
    assert digests.open_due_digests(at(11)) == []


def test_an_alert_of_a_clock_half_a_minute_ahead_waits_for_its_window() -> None:
    seen(watched(), when=at(10, 0) + timedelta(seconds=30))
    assert digests.open_due_digests(at(10)) == []
    assert len(digests.open_due_digests(at(11))) == 1


def test_a_window_that_a_clock_ran_ahead_into_swallows_and_doubles_nothing(
    mailbox: Mailbox,
) -> None:
    watchlist = watched()
    first = seen(watchlist, when=at(9, 20))
    # Its clock says 12:10; it is 9:30.
    sent(*digests.open_due_digests(at(12, 10)))
    second = seen(watchlist, when=at(9, 40))
    sent(*digests.open_due_digests(at(10)))
    third = seen(watchlist, when=at(11, 20))
    assert digests.open_due_digests(at(12)) == []
    sent(*digests.open_due_digests(at(13)))
    told = [
        [str(alert.pk) in text_of(mail) for mail in mailbox.mails]
        for alert in (first, second, third)
    ]
    assert told == [[True, False, False], [False, True, False], [False, False, True]]


def test_after_a_downtime_one_digest_catches_up(mailbox: Mailbox) -> None:
    watchlist = watched()
    alerts = [seen(watchlist, when=at(hour, 30, day=day)) for day in (8, 9) for hour in (3, 4)]
    (digest,) = digests.open_due_digests(at(12, 7))
    assert sent(digest).stage == "sent"
    assert all(str(alert.pk) in text_of(mailbox.mails[0]) for alert in alerts)


def test_a_recipient_without_alerts_gets_no_digest() -> None:
    watched()
    assert digests.open_due_digests(at(10)) == []


def test_a_subscription_switched_off_before_the_window_ends_is_left_out() -> None:
    seen(watched(), when=at(9, 20))
    Subscription.objects.update(is_active=False)
    assert digests.open_due_digests(at(10)) == []


def test_a_digest_leaves_out_a_subscription_switched_off_meanwhile(mailbox: Mailbox) -> None:
    gate, lobby = watched("Gate"), watched("Lobby")
    kept, gone = seen(gate, when=at(9, 20)), seen(lobby, when=at(9, 30))
    (digest,) = digests.open_due_digests(at(10))
    lobby.subscriptions.update(is_active=False)
    sent(digest)
    text = text_of(mailbox.mails[0])
    assert str(kept.pk) in text
    assert str(gone.pk) not in text
    assert Delivery.objects.get(alert=gone).stage == "dropped"


def test_a_digest_of_which_nothing_is_left_is_dropped_unsent(mailbox: Mailbox) -> None:
    alert = seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    alert.delete()
    assert sent(digest).stage == "dropped"
    assert mailbox.mails == []


def test_a_dismissed_alert_is_listed_as_dismissed(mailbox: Mailbox) -> None:
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    Alert.objects.update(status="dismissed", reviewed_at=at(9, 40))
    sent(digest)
    assert "Review    dismissed" in text_of(mailbox.mails[0])


def test_a_refused_digest_takes_its_deliveries_along(mailbox: Mailbox) -> None:
    mailbox.refusals["ops@example.org"] = "550 No such user"
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    assert (sent(digest).stage, digest.error_code) == ("failed", "smtp_550")
    assert Delivery.objects.get().stage == "failed"


def test_a_digest_refused_for_now_keeps_its_deliveries_waiting(mailbox: Mailbox) -> None:
    mailbox.refusals["ops@example.org"] = "451 Later"
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    assert sent(digest).stage == "pending"
    assert Delivery.objects.get().stage == "batched"


@pytest.mark.parametrize("end", ["hang", "drop"])
def test_a_digest_without_an_answer_is_unknown_with_its_deliveries(
    mailbox: Mailbox, end: str
) -> None:
    mailbox.answer = end
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    assert sent(digest).stage == "unknown"
    assert Delivery.objects.get().stage == "unknown"
    assert digests.open_due_digests(at(11)) == []


def test_what_a_dead_sender_left_becomes_unknown_with_its_deliveries() -> None:
    seen(watched(), when=at(9, 20))
    with time_machine.travel(at(10), tick=False) as clock:
        (digest,) = digests.open_due_digests(at(10))
        lease = leases.claim(Digest, digest.pk, stage="pending")
        assert lease is not None
        leases.move(lease, stage="sending")
        clock.shift(timedelta(seconds=settings.LEASE_SECONDS + 1))
        sweep()
        assert Delivery.objects.get().stage == "unknown"
        # It was only slow, and tells how it ended.
        leases.finish(lease, stage="sent")
        sweep()
        assert Delivery.objects.get().stage == "sent"


def test_a_digest_that_cannot_be_composed_is_given_back_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ways.WAYS, "email", Way(begin=broken))
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    assert sent(digest).stage == "pending"
    assert (digest.error_code, digest.lease_until) == ("server_error", None)
    assert Delivery.objects.get().stage == "batched"


def broken() -> NoReturn:
    """A channel with an error in its code."""
    raise ValueError("a mistake")


def test_staff_can_send_a_failed_digest_again(mailbox: Mailbox) -> None:
    mailbox.refusals["ops@example.org"] = "550 No such user"
    alert = seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    assert not digests.send_again(digest)
    sent(digest)
    mailbox.refusals.clear()
    assert digests.send_again(digest)
    assert sent(digest).stage == "sent"
    assert str(alert.pk) in text_of(mailbox.mails[0])
    assert Delivery.objects.get().stage == "sent"


def test_a_delivery_sent_again_by_itself_is_not_told_by_its_digest_as_well(
    mailbox: Mailbox,
) -> None:
    mailbox.refusals["ops@example.org"] = "550 No such user"
    watchlist = watched()
    alone, other = seen(watchlist, when=at(9, 20)), seen(watchlist, when=at(9, 30))
    (digest,) = digests.open_due_digests(at(10))
    sent(digest)
    mailbox.refusals.clear()
    delivery = Delivery.objects.get(alert=alone)
    assert deliveries.send_again(delivery)
    deliveries.deliver(delivery.pk)
    assert digests.send_again(digest)
    sent(digest)
    assert [str(alone.pk) in text_of(mail) for mail in mailbox.mails] == [True, False]
    assert [str(other.pk) in text_of(mail) for mail in mailbox.mails] == [False, True]


def test_the_database_refuses_a_second_digest_of_a_window() -> None:
    seen(watched(), when=at(9, 20))
    (digest,) = digests.open_due_digests(at(10))
    digest.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        Digest.objects.create(
            stage="pending",
            recipient=digest.recipient,
            mode=digest.mode,
            window_start=digest.window_start,
            window_end=digest.window_end,
        )
