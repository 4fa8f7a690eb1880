"""Where webhooks are never sent to, and that no name, proxy or setting leads there."""

import socket
from typing import Any

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from recognition.models import Person
from tests.alerts.delivering import raised, subscribed, tried
from tests.receiver import Receiver, receiving

pytestmark = pytest.mark.django_db


class TestForbiddenAddresses:
    @pytest.mark.parametrize(
        "host",
        [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",  # noqa: S104 (an address to refuse)
            "10.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[fec0::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[64:ff9b::7f00:1]",
        ],
    )
    def test_an_address_inside_is_never_connected_to(
        self, ada: Person, settings: Settings, host: str
    ) -> None:
        settings.WEBHOOK_NETWORKS = []
        with receiving() as inside:
            subscribed(ada, f"https://{host}:{inside.port}/")
            delivery = tried(raised(ada))
            assert (delivery.stage, delivery.error_code) == ("failed", "forbidden_address")
            assert inside.got == []

    def test_a_name_is_resolved_once_and_that_address_is_connected_to(
        self, ada: Person, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # A name that is public when it is checked, and inside when it is asked for again.
        settings.WEBHOOK_NETWORKS = []
        answers = iter(["192.0.2.1", "127.0.0.1"])
        asked: list[Any] = []
        real = socket.getaddrinfo

        def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            if host == "rebinding.example":
                asked.append(host)
                host = next(answers)
            return real(host, port, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        with receiving() as inside:
            subscribed(ada, f"https://rebinding.example:{inside.port}/")
            tried(raised(ada))
            assert inside.got == []
        assert len(asked) == 1

    def test_a_public_address_is_spoken_to_in_tls_alone(
        self, ada: Person, settings: Settings
    ) -> None:
        settings.WEBHOOK_NETWORKS = []
        subscribed(ada, "http://93.184.215.14:9/")
        assert tried(raised(ada)).error_code == "forbidden_address"

    def test_a_proxy_of_this_machine_is_not_used(
        self, ada: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        subscribed(ada, receiver.url)
        assert tried(raised(ada)).stage == "sent"

    def test_networks_that_are_none_are_refused_before_anything_starts(
        self, settings: Settings
    ) -> None:
        settings.WEBHOOK_NETWORKS = ["10.0.0.0/8", "inside"]
        assert [error.id for error in run_checks()] == ["alerts.E002"]
