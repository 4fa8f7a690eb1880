from typing import Any

import pytest
from django.test import Client

from alerts.models import Delivery, Digest, Subscription, WatchList
from recognition.engine import THRESHOLDS
from tests import make
from tests.admin.conftest import told


def delivery(**fields: Any) -> Delivery:
    watchlist = make.watchlist(f"List {WatchList.objects.count()}")
    subscription = make.subscription(watchlist)
    alert = make.alert(watchlist=watchlist, person=make.person())
    facts = {"channel": "email", "target": subscription.target, "mode": "instant"}
    return Delivery.objects.create(alert=alert, subscription=subscription, **facts | fields)


def digest(*, hour: int = 9, **fields: Any) -> Digest:
    facts = {"recipient": "ops@example.org", "mode": "hourly"} | fields
    return Digest.objects.create(
        window_start=f"2026-01-01T{hour:02}:00Z",
        window_end=f"2026-01-01T{hour + 1:02}:00Z",
        **facts,
    )


def test_a_list_shows_the_threshold_in_force_beside_the_recommended_one(
    client: Client, manager: Any
) -> None:
    recommended = f"{THRESHOLDS['opencv'].alert:g}"
    usual, strict = make.watchlist("Usual"), make.watchlist("Strict", threshold=0.31)
    page = client.get("/admin/alerts/watchlist/").content.decode()
    assert f">{recommended}, recommended<" in page
    assert ">0.31<" in page
    page = client.get(f"/admin/alerts/watchlist/{usual.pk}/change/").content.decode()
    assert f"{recommended}, as recommended for opencv" in page
    page = client.get(f"/admin/alerts/watchlist/{strict.pk}/change/").content.decode()
    assert f"0.31 (opencv: {recommended} recommended)" in page


#: What the form of a list asks for.
RULES = {
    "priority": "normal",
    "cooldown_seconds": 60,
    "time_zone": "UTC",
    "unknown_rule": "none",
    "unknown_count": 3,
    "unknown_seconds": 3600,
}


def test_a_list_is_made_with_its_people_and_who_hears_of_it(client: Client, manager: Any) -> None:
    person = make.person()
    client.post(
        "/admin/alerts/watchlist/add/",
        {
            "name": "Lobby",
            "is_active": "on",
            "people": [person.pk],
            "active_from": "22:00",
            "active_until": "06:00",
            "active_days": ["6", "7"],
            "only_sources": "gate\r\n dock \r\n",
            **RULES,
            "subscriptions-TOTAL_FORMS": 1,
            "subscriptions-INITIAL_FORMS": 0,
            "subscriptions-0-mode": "hourly",
            "subscriptions-0-channel": "email",
            "subscriptions-0-target": "ops@example.org",
            "subscriptions-0-daily_at": "08:00",
            "subscriptions-0-time_zone": "Europe/Berlin",
            "subscriptions-0-is_active": "on",
        },
    )
    watchlist = WatchList.objects.get()
    assert list(watchlist.people.all()) == [person]
    assert (watchlist.active_days, watchlist.only_sources) == ([6, 7], ["gate", "dock"])
    assert watchlist.subscriptions.get().target == "ops@example.org"


HOOK = {
    "mode": "instant",
    "channel": "webhook",
    "target": "https://h.example/key-1",
    "daily_at": "08:00",
    "time_zone": "UTC",
    "is_active": "on",
}


def test_the_secret_of_a_new_webhook_is_shown_once(client: Client, manager: Any) -> None:
    watchlist = make.watchlist()
    add = "/admin/alerts/subscription/add/"
    page = client.post(add, {"watchlist": watchlist.pk, **HOOK}, follow=True).content.decode()
    row = Subscription.objects.get()
    assert row.secret in page
    change = f"/admin/alerts/subscription/{row.pk}/change/"
    page = client.post(change, {"watchlist": watchlist.pk, **HOOK}, follow=True).content.decode()
    assert row.secret not in page


def test_the_secret_of_a_webhook_on_a_lists_form_is_shown_too(client: Client, manager: Any) -> None:
    forms = {"subscriptions-TOTAL_FORMS": 1, "subscriptions-INITIAL_FORMS": 0}
    hook = {f"subscriptions-0-{name}": value for name, value in HOOK.items()}
    facts = {"name": "Lobby", "is_active": "on", **RULES, **forms, **hook}
    page = client.post("/admin/alerts/watchlist/add/", facts, follow=True).content.decode()
    assert Subscription.objects.get().secret in page


def test_a_webhook_is_given_a_new_secret(client: Client, manager: Any) -> None:
    hook = make.subscription(make.watchlist(), channel="webhook", target="https://h.example/1")
    mail = make.subscription(hook.watchlist)
    sent = {"action": "new_secret", "_selected_action": [hook.pk, mail.pk]}
    page = client.post("/admin/alerts/subscription/", sent, follow=True).content.decode()
    hook.refresh_from_db()
    assert hook.secret
    assert hook.secret in page
    sent["_selected_action"] = [mail.pk]
    page = client.post("/admin/alerts/subscription/", sent, follow=True).content.decode()
    assert "Only webhooks are signed" in page


def test_why_a_recipient_left_is_forgotten_when_they_are_switched_on(
    client: Client, manager: Any
) -> None:
    row = make.subscription(make.watchlist(), is_active=False, ended_because="They left.")
    sent = {"action": "switch_on", "_selected_action": [row.pk]}
    client.post("/admin/alerts/subscription/", sent)
    row.refresh_from_db()
    assert (row.is_active, row.ended_because) == (True, "")


def test_who_may_only_look_sees_no_secret_of_a_target(client: Client, db: None) -> None:
    client.force_login(make.user(role="operator", is_staff=True))
    row = make.subscription(make.watchlist(), channel="webhook", target="https://h.example/key-1")
    delivery(target=row.target, channel="webhook", stage="sent")
    digest(channel="webhook", recipient=row.target, stage="sent")
    for path in (
        "subscription/",
        f"subscription/{row.pk}/change/",
        f"watchlist/{row.watchlist_id}/change/",
        "delivery/",
        "digest/",
    ):
        page = client.get(f"/admin/alerts/{path}").content.decode()
        assert "https://h.example/…" in page, path
        assert "key-1" not in page, path


def test_the_canarys_list_can_be_saved(client: Client, manager: Any) -> None:
    watchlist = make.watchlist("Canary", is_canary=True)
    row = make.subscription(watchlist, channel="sink", target="canary")
    forms = {"subscriptions-TOTAL_FORMS": 1, "subscriptions-INITIAL_FORMS": 1}
    hook = {
        f"subscriptions-0-{name}": value
        for name, value in (HOOK | {"channel": "sink", "target": "canary", "id": row.pk}).items()
    }
    facts = {"name": "Canary", "is_active": "on", **RULES, **forms, **hook}
    answer = client.post(f"/admin/alerts/watchlist/{watchlist.pk}/change/", facts)
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.channel == "sink"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"active_from": "22:00"}, "Give both ends of the hours, or none."),
        ({"time_zone": "Mars"}, "There is no time zone Mars."),
    ],
    ids=["hours", "zone"],
)
def test_rules_that_make_no_sense_are_refused(
    client: Client, manager: Any, sent: dict[str, str], said: str
) -> None:
    forms = {"subscriptions-TOTAL_FORMS": 0, "subscriptions-INITIAL_FORMS": 0}
    facts = {"name": "Lobby", **RULES, **forms, **sent}
    assert said in client.post("/admin/alerts/watchlist/add/", facts).content.decode()
    assert not WatchList.objects.exists()


def test_deleting_a_list_tells_what_goes(client: Client, manager: Any) -> None:
    row = delivery(stage="sent")
    page = client.get(f"/admin/alerts/watchlist/{row.alert.watchlist_id}/delete/")
    assert dict(page.context["model_count"]) == {
        "watch-lists": 1,
        "subscriptions": 1,
        "alerts": 1,
        "deliveries": 1,
    }
    client.post(f"/admin/alerts/watchlist/{row.alert.watchlist_id}/delete/", {"post": "yes"})
    assert not WatchList.objects.exists()


def test_deleting_a_subscription_tells_what_goes(client: Client, manager: Any) -> None:
    row = delivery(stage="sent")
    address = f"/admin/alerts/subscription/{row.subscription_id}/delete/"
    page = client.get(address)
    assert dict(page.context["model_count"]) == {"subscriptions": 1, "deliveries": 1}
    client.post(address, {"post": "yes"})
    assert not Subscription.objects.exists()


def test_deliveries_that_failed_or_may_not_have_arrived_are_sent_again(
    client: Client, manager: Any
) -> None:
    rows = [delivery(stage=stage) for stage in ("failed", "unknown", "sent")]
    response = client.post(
        "/admin/alerts/delivery/",
        {"action": "send_again", "_selected_action": [row.pk for row in rows]},
    )
    stages = [Delivery.objects.get(pk=row.pk).stage for row in rows]
    assert stages == ["pending", "pending", "sent"]
    assert told(response)[0] == "2 will be sent again."
    assert told(response)[1].startswith("1 left as they are")


def test_digests_are_sent_again(client: Client, manager: Any) -> None:
    row = digest(stage="failed", error_code="refused")
    client.post("/admin/alerts/digest/", {"action": "send_again", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert (row.stage, row.error_code) == ("pending", "")


@pytest.mark.parametrize("name", ["delivery", "digest"])
def test_what_was_sent_cannot_be_written_or_deleted(
    client: Client, manager: Any, name: str
) -> None:
    row = delivery(stage="sent") if name == "delivery" else digest(stage="sent")
    address = f"/admin/alerts/{name}/"
    assert client.get(f"{address}{row.pk}/change/").status_code == 200
    assert client.post(f"{address}{row.pk}/change/", {}).status_code == 403
    assert client.post(f"{address}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"{address}add/").status_code == 403


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize(
    ("name", "questions"),
    # Session, user, two of permissions, two of counts, the rows; the lists of a filter; the two of the dates.
    [("watchlist", 7), ("subscription", 8), ("delivery", 9), ("digest", 9)],
)
def test_each_list_asks_the_same_number_of_questions(
    client: Client,
    manager: Any,
    name: str,
    questions: int,
    count: int,
    django_assert_num_queries: Any,
) -> None:
    for hour in range(count):
        delivery(stage="sent", digest=digest(stage="sent", hour=hour))
    with django_assert_num_queries(questions):
        assert client.get(f"/admin/alerts/{name}/").status_code == 200


@pytest.mark.parametrize("name", ["watchlist", "subscription"])
def test_several_are_switched_off_and_on(client: Client, manager: Any, name: str) -> None:
    subscription = make.subscription(make.watchlist())
    row: Any = subscription.watchlist if name == "watchlist" else subscription
    chosen = {"_selected_action": [row.pk]}
    response = client.post(f"/admin/alerts/{name}/", chosen | {"action": "switch_off"})
    row.refresh_from_db()
    assert not row.is_active
    assert told(response) == ["1 was switched off."]
    client.post(f"/admin/alerts/{name}/", chosen | {"action": "switch_on"})
    row.refresh_from_db()
    assert row.is_active


@pytest.mark.parametrize("name", ["watchlist", "subscription", "delivery", "digest"])
def test_each_list_is_searched(client: Client, manager: Any, name: str) -> None:
    delivery(stage="sent", digest=digest(stage="sent"))
    for words, count in (("List", 1), ("ops@example.org", 1), ("nobody", 0)):
        if (name == "watchlist" and "@" in words) or (name == "digest" and words == "List"):
            continue
        page = client.get(f"/admin/alerts/{name}/", {"q": words})
        assert page.context["cl"].result_count == count, words
