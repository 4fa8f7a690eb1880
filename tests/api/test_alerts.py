"""Watch-lists, subscriptions, alerts and verdicts."""

import uuid
from typing import Any

import pytest
from rest_framework.test import APIClient

from alerts.models import Alert, Subscription
from recognition.engine import THRESHOLDS
from tests import make
from tests.api.conftest import problem

LISTS, SUBSCRIPTIONS, ALERTS = (
    f"/api/v1/{name}/" for name in ("watchlists", "subscriptions", "alerts")
)

#: What a list is like unless it is told otherwise.
WATCHLIST: dict[str, Any] = {
    "threshold": None,
    "ambiguity_margin": None,
    "cooldown_seconds": 300,
    "priority": "normal",
    "active_from": None,
    "active_until": None,
    "active_days": [],
    "time_zone": "UTC",
    "only_sources": [],
    "except_sources": [],
    "unknown_rule": "none",
    "unknown_count": 3,
    "unknown_seconds": 86_400,
    "escalate_after_seconds": None,
    "purpose": "",
    "expires_at": None,
    "is_active": True,
}
#: The same of a subscription.
SUBSCRIPTION: dict[str, Any] = {
    "daily_at": "08:00:00",
    "time_zone": "UTC",
    "quiet_from": None,
    "quiet_until": None,
    "tells_nothing_seen": True,
    "is_active": True,
    "ended_because": "",
}


class TestWatchLists:
    def test_one_is_made_read_changed_and_deleted(self, manager: APIClient) -> None:
        ada, bob = make.person("Ada"), make.person("Bob")
        made = manager.post(LISTS, {"name": "Lobby", "people": [str(ada.pk)]}, format="json")
        assert made.status_code == 201
        body = made.json()
        assert body == WATCHLIST | {
            "id": body["id"],
            "name": "Lobby",
            "people": [str(ada.pk)],
            "effective_threshold": THRESHOLDS["opencv"].alert,
            "created_at": body["created_at"],
        }
        url = f"{LISTS}{body['id']}/"
        change = {"people": [str(bob.pk)], "threshold": 0.4, "cooldown_seconds": 60}
        changed = manager.patch(url, change, format="json").json()
        assert changed == body | change | {"effective_threshold": 0.4}
        kept = manager.patch(url, {"is_active": False}, format="json").json()
        assert kept["people"] == [str(bob.pk)]
        assert manager.get(url).json() == kept
        assert manager.delete(url).status_code == 204
        problem(manager.get(url), 404, "not_found")

    @pytest.mark.parametrize(
        "sent",
        [
            {"name": ""},
            {"name": "Taken"},
            {"threshold": -0.1},
            {"cooldown_seconds": -1},
            {"people": [str(uuid.UUID(int=1))]},
            {"is_active": "perhaps"},
            {"time_zone": "Mars/Olympus"},
            {"active_days": [0]},
            {"active_days": "monday"},
            {"only_sources": "gate"},
            {"except_sources": [1]},
            {"priority": "urgent"},
            {"unknown_rule": "always"},
            {"unknown_count": 1},
            {"escalate_after_seconds": 0},
            {"expires_at": "soon"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, manager: APIClient, sent: dict[str, Any]) -> None:
        make.watchlist("Taken")
        answer = manager.post(LISTS, {"name": "Lobby"} | sent, format="json")
        assert list(problem(answer, 400, "validation")["errors"]) == list(sent)

    def test_a_merged_person_cannot_be_put_on_a_list(self, manager: APIClient) -> None:
        merged = make.person("A. E.", merged_into=make.person("Ada"))
        answer = manager.post(LISTS, {"name": "Lobby", "people": [str(merged.pk)]}, format="json")
        problem(answer, 400, "validation")

    @pytest.mark.parametrize("count", [1, 4])
    def test_the_lists_queries_do_not_grow(
        self, manager: APIClient, django_assert_num_queries: Any, count: int
    ) -> None:
        for number in range(count):
            make.watchlist(f"L{number}", people=(make.person(), make.person("Bob")))
        with django_assert_num_queries(6):
            assert len(manager.get(LISTS).json()["results"]) == count

    def test_its_rules_are_stored(self, manager: APIClient) -> None:
        rules = {
            "priority": "high",
            "active_from": "22:00:00",
            "active_until": "06:00:00",
            "active_days": [6, 7],
            "time_zone": "Europe/Berlin",
            "only_sources": ["gate"],
            "except_sources": ["canteen"],
            "unknown_rule": "repeated",
            "unknown_count": 4,
            "unknown_seconds": 3600,
            "escalate_after_seconds": 600,
            "purpose": "Stolen badges.",
            "expires_at": "2030-01-01T00:00:00Z",
        }
        body = manager.post(LISTS, {"name": "Lobby"} | rules, format="json").json()
        assert {name: body[name] for name in rules} == rules

    def test_hours_have_both_ends_or_none(self, manager: APIClient) -> None:
        sent = {"name": "Lobby", "active_from": "22:00"}
        found = problem(manager.post(LISTS, sent, format="json"), 400, "validation")
        assert list(found["errors"]) == ["active_until"]

    def test_operators_read_and_uploaders_do_not(
        self, operator: APIClient, uploader: APIClient
    ) -> None:
        url = f"{LISTS}{make.watchlist().pk}/"
        assert operator.get(LISTS).status_code == operator.get(url).status_code == 200
        problem(operator.patch(url, {"name": "B"}, format="json"), 403, "permission_denied")
        problem(uploader.get(LISTS), 403, "permission_denied")


class TestSubscriptions:
    def sent(self, **fields: Any) -> dict[str, Any]:
        watchlist = fields.pop("watchlist", None) or make.watchlist()
        return {
            "watchlist": str(watchlist.pk),
            "mode": "hourly",
            "channel": "email",
            "target": "ops@example.org",
        } | fields

    def test_one_is_made_read_changed_and_deleted(self, manager: APIClient) -> None:
        sent = self.sent()
        made = manager.post(SUBSCRIPTIONS, sent, format="json")
        assert made.status_code == 201
        body = made.json()
        assert body == SUBSCRIPTION | sent | {
            "id": body["id"],
            "created_at": body["created_at"],
        }
        url = f"{SUBSCRIPTIONS}{body['id']}/"
        changed = manager.patch(url, {"mode": "daily"}, format="json").json()
        assert changed == body | {"mode": "daily"} == manager.get(url).json()
        assert manager.delete(url).status_code == 204
        assert not Subscription.objects.exists()

    @pytest.mark.parametrize(
        "sent",
        [
            {"target": "not an address"},
            {"target": ""},
            {"mode": "weekly"},
            {"channel": "pigeon"},
            {"time_zone": "Mars/Olympus"},
            {"daily_at": "25:00"},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, manager: APIClient, sent: dict[str, str]) -> None:
        answer = manager.post(SUBSCRIPTIONS, self.sent(**sent), format="json")
        assert list(problem(answer, 400, "validation")["errors"]) == list(sent)

    def test_one_target_subscribes_once_to_a_list(self, manager: APIClient) -> None:
        first = make.subscription(make.watchlist())
        sent = self.sent(watchlist=first.watchlist, target=first.target)
        problem(manager.post(SUBSCRIPTIONS, sent, format="json"), 400, "validation")

    def test_the_list_is_narrowed_to_one_watchlist(self, manager: APIClient) -> None:
        first = make.subscription(make.watchlist("A"))
        make.subscription(make.watchlist("B"))
        found = manager.get(SUBSCRIPTIONS, {"watchlist": str(first.watchlist_id)}).json()
        assert [row["id"] for row in found["results"]] == [str(first.pk)]


@pytest.fixture
def alert(db: None) -> Alert:
    """An open alert about Ada on the list Lobby."""
    person = make.person("Ada")
    return make.alert(watchlist=make.watchlist(people=(person,)), person=person)


class TestAlerts:
    def test_shows_the_evidence(self, operator: APIClient, alert: Alert) -> None:
        answer = operator.get(f"{ALERTS}{alert.pk}/")
        body = answer.json()
        api = "http://testserver/api/v1"
        assert answer["ETag"] == '"1-1"'
        assert body == {
            "id": str(alert.pk),
            "status": "open",
            "historic": False,
            "person": {"id": str(alert.person_id), "name": "Ada"},
            "watchlist": {"id": str(alert.watchlist_id), "name": "Lobby"},
            "photo": {"id": str(alert.photo_id), "url": f"{api}/photos/{alert.photo_id}/"},
            "face": {
                "id": str(alert.face_id),
                "box": {"x": 10, "y": 20, "width": 100, "height": 110},
                "chip_url": f"{api}/faces/{alert.face_id}/chip/",
            },
            "distance": 0.4,
            "margin": 0.2,
            "threshold": 0.5,
            "explanation": "0.40 ≤ 0.50; second best 0.60; list Lobby",
            "is_ambiguous": False,
            "rival": None,
            "source": "",
            "count": 1,
            "first_seen_at": body["first_seen_at"],
            "last_seen_at": body["last_seen_at"],
            "ended_at": None,
            "best_face": None,
            "created_at": body["created_at"],
            "reviewed_at": None,
            "reviewed_by": None,
            "reason": "",
        }

    def test_the_list_is_newest_first_and_narrowed(self, operator: APIClient, alert: Alert) -> None:
        bob = make.person("Bob")
        other = make.alert(watchlist=make.watchlist("Gate"), person=bob)
        merged = make.person("B.", merged_into=bob)
        third = make.alert(watchlist=other.watchlist, person=merged)
        Alert.objects.filter(pk=alert.pk).update(created_at="2020-01-01T00:00:00Z")

        def ids(**query: Any) -> list[str]:
            return [row["id"] for row in operator.get(ALERTS, query).json()["results"]]

        newer = [str(third.pk), str(other.pk)]
        assert ids() == [*newer, str(alert.pk)]
        assert ids(status="confirmed") == []
        assert ids(person=str(bob.pk)) == newer
        assert ids(watchlist=str(alert.watchlist_id)) == [str(alert.pk)]
        assert ids(created_after="2021-01-01T00:00:00Z") == newer
        problem(operator.get(ALERTS, {"status": "new"}), 400, "validation")

    @pytest.mark.parametrize("count", [1, 4])
    def test_the_lists_queries_do_not_grow(
        self, operator: APIClient, django_assert_num_queries: Any, count: int
    ) -> None:
        watchlist = make.watchlist()
        for number in range(count):
            make.alert(watchlist=watchlist, person=make.person(f"P{number}"))
        with django_assert_num_queries(5):
            assert len(operator.get(ALERTS).json()["results"]) == count

    def test_uploaders_see_none(self, uploader: APIClient, alert: Alert) -> None:
        problem(uploader.get(ALERTS), 403, "permission_denied")
        problem(uploader.get(f"{ALERTS}{alert.pk}/"), 403, "permission_denied")

    @pytest.mark.parametrize("tag", ['"1-1"', 'W/"1-1"', '"7", "1-1"', "*"])
    def test_an_unchanged_alert_is_not_sent_again(
        self, operator: APIClient, alert: Alert, tag: str
    ) -> None:
        answer = operator.get(f"{ALERTS}{alert.pk}/", headers={"If-None-Match": tag})
        assert (answer.status_code, answer["ETag"], answer.content) == (304, '"1-1"', b"")

    @pytest.mark.parametrize("method", ["post", "put", "delete"])
    def test_alerts_are_neither_made_nor_deleted(
        self, client_of: Any, alert: Alert, method: str
    ) -> None:
        answer = getattr(client_of("root"), method)(f"{ALERTS}{alert.pk}/")
        problem(answer, 405, "method_not_allowed")


class TestVerdicts:
    def decide(
        self, client: APIClient, alert: Alert, tag: str | None = '"1-1"', **sent: Any
    ) -> Any:
        headers = {"If-Match": tag} if tag is not None else {}
        body = sent or {"status": "confirmed", "reason": "It is her."}
        return client.patch(f"{ALERTS}{alert.pk}/", body, format="json", headers=headers)

    @pytest.mark.parametrize("status", ["confirmed", "dismissed", "unsure"])
    def test_is_stored_with_who_and_when(
        self, operator: APIClient, alert: Alert, status: str
    ) -> None:
        answer = self.decide(operator, alert, status=status, reason="Seen.")
        body = answer.json()
        assert (answer.status_code, answer["ETag"]) == (200, '"2-1"')
        assert (body["status"], body["reason"]) == (status, "Seen.")
        assert body["reviewed_by"] == "operator"
        assert body["reviewed_at"].endswith("Z")
        assert operator.get(f"{ALERTS}{alert.pk}/").json() == body

    def test_the_second_of_two_operators_is_told(
        self, operator: APIClient, client_of: Any, alert: Alert
    ) -> None:
        self.decide(operator, alert)
        second = self.decide(client_of("operator", "olaf"), alert, status="dismissed")
        problem(second, 412, "stale")
        alert.refresh_from_db()
        assert (alert.status, alert.reason) == ("confirmed", "It is her.")

    @pytest.mark.parametrize("tag", ['"2-1"', 'W/"1-1"', "nonsense", ""])
    def test_another_state_than_the_current_is_refused(
        self, operator: APIClient, alert: Alert, tag: str
    ) -> None:
        problem(self.decide(operator, alert, tag), 412, "stale")

    def test_the_state_must_be_said(self, operator: APIClient, alert: Alert) -> None:
        problem(self.decide(operator, alert, None), 428, "precondition_required")

    def test_a_verdict_can_be_changed(self, operator: APIClient, alert: Alert) -> None:
        first = self.decide(operator, alert)
        second = self.decide(operator, alert, first["ETag"], status="dismissed", reason="A twin.")
        assert (second.json()["status"], second["ETag"]) == ("dismissed", '"3-1"')

    def test_a_verdict_can_be_taken_back(self, operator: APIClient, alert: Alert) -> None:
        first = self.decide(operator, alert)
        answer = self.decide(operator, alert, first["ETag"], status="open")
        body = answer.json()
        assert (answer.status_code, answer["ETag"]) == (200, '"3-1"')
        assert (body["status"], body["reason"]) == ("open", "")
        assert (body["reviewed_by"], body["reviewed_at"]) == (None, None)

    def test_a_verdict_that_another_changed_is_not_taken_back(
        self, operator: APIClient, client_of: Any, alert: Alert
    ) -> None:
        first = self.decide(operator, alert)
        self.decide(client_of("operator", "olaf"), alert, first["ETag"], status="unsure")
        problem(self.decide(operator, alert, first["ETag"], status="open"), 412, "stale")
        alert.refresh_from_db()
        assert alert.status == "unsure"

    @pytest.mark.parametrize("status", ["perhaps", None])
    def test_anything_else_is_no_verdict(
        self, operator: APIClient, alert: Alert, status: Any
    ) -> None:
        body = problem(self.decide(operator, alert, status=status), 400, "validation")
        assert list(body["errors"]) == ["status"]

    def test_a_verdict_needs_the_status(self, operator: APIClient, alert: Alert) -> None:
        problem(self.decide(operator, alert, reason="?"), 400, "validation")

    def test_who_only_uploads_decides_nothing(self, uploader: APIClient, alert: Alert) -> None:
        problem(self.decide(uploader, alert), 403, "permission_denied")
