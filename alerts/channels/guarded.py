"""Requests to addresses that users give, which must reach nothing inside.

A name is resolved once, the address is checked, and that one is connected to (OWASP, Server-Side Request Forgery
Prevention Cheat Sheet).
"""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import requests
import urllib3
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter

from alerts.channels import Permanent

__all__ = ["Forbidden", "Gone", "GuardedSession", "InvalidIPAddress", "session"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forbidden(requests.RequestException):
    """The address is none to send to."""


class Gone(Permanent):
    """The target says that it is no more: nothing is to be sent there again."""


class GuardedSession(HTTPSession):
    """Follows no redirection, takes nothing from the environment, and can be hung up from another thread."""

    def __init__(self, networks: Sequence[Network], *, timeout: tuple[float, float]) -> None:
        config = Config(
            ip_filter_enable=True,
            ip_filter_allow_loopback_ips=False,
            never_redirect=True,
            default_timeout=timeout,
        )
        super().__init__(config)
        # No proxy and no password of this machine's own.
        self.trust_env = False
        self._line = _Line()
        for scheme in ("http", "https"):
            self.mount(f"{scheme}://", _Adapter(scheme, networks=networks, line=self._line))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return none: to prepare a redirection that nobody follows, requests would read all of the answer."""
        return None

    @property
    def was_hung_up(self) -> bool:
        """Whether `hang_up` was called."""
        return self._line.was_hung_up

    def hang_up(self) -> None:
        """End what is under way: whoever waits for an answer gets an error, or what looks like a short answer."""
        self._line.hang_up()


class _Line:
    """The sockets of a session; once hung up, none is opened any more."""

    def __init__(self) -> None:
        self.was_hung_up = False
        self._sockets: list[socket.socket] = []

    def add(self, one: socket.socket) -> None:
        """Remember a socket. Raises ConnectionAbortedError if the line was hung up meanwhile."""
        self._sockets.append(one)
        self.check()

    def check(self) -> None:
        """Raise ConnectionAbortedError if the line was hung up."""
        if self.was_hung_up:
            self.hang_up()
            raise ConnectionAbortedError("It took too long.")

    def hang_up(self) -> None:
        """End every socket."""
        self.was_hung_up = True
        for one in list(self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def session(networks: Iterable[str], *, timeout: tuple[float, float]) -> GuardedSession:
    """Return a session that reaches public addresses, and these networks besides, these without TLS too."""
    return GuardedSession([ipaddress.ip_network(one) for one in networks], timeout=timeout)


class _Adapter(IPFilterAdapter):
    """Adds to requests-hardened the ranges that it lets through, and the networks that are allowed."""

    def __init__(self, scheme: str, *, networks: Sequence[Network], line: _Line) -> None:
        super().__init__(is_https_proto=scheme == "https")
        self._scheme = scheme
        self._networks = networks
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(urllib3.HTTPConnectionPool, line),
            "https": _pool(urllib3.HTTPSConnectionPool, line),
        }

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> Any:
        """Return what to connect to: the one address that the name stands for, after it was checked."""
        name, port = _host_of(request)
        allowed = _address_within(self._networks, name=name, port=port)
        if allowed:
            # Its own filter refuses such addresses, and would resolve the name once more.
            host, pool = requests.adapters.HTTPAdapter.build_connection_pool_key_attributes(
                self, request, verify, cert
            )
            request.headers["Host"] = _written(name) + (f":{host['port']}" if host["port"] else "")
            if self._scheme == "https":
                pool |= {"assert_hostname": name, "server_hostname": name}
            host["host"] = _written(allowed)
            return host, pool
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        address = ipaddress.ip_address(host["host"].strip("[]"))
        if not address.is_global or address.is_reserved or getattr(address, "is_site_local", False):
            raise Forbidden(f"{address} is not a public address")
        if self._scheme != "https":
            raise Forbidden("Outside the allowed networks only https is sent to")
        return host, pool


def _pool(base: Any, line: _Line) -> Any:
    """Return a pool of connections that remember their sockets, also while they agree on TLS."""

    class Connection(base.ConnectionCls):
        def _new_conn(self) -> socket.socket:
            line.check()
            made: socket.socket = super()._new_conn()
            line.add(made)
            return made

        def connect(self) -> None:
            super().connect()
            line.add(self.sock)

    class Pool(base):
        ConnectionCls = Connection

    return Pool


def _host_of(request: Any) -> tuple[str, int | None]:
    url = urllib3.util.parse_url(request.url)
    return (url.host or "").strip("[]"), url.port


def _address_within(networks: Sequence[Network], *, name: str, port: int | None) -> str:
    """Return the address of a name if it is in one of the networks, else an empty text."""
    if not networks or not name:
        return ""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError:
        return ""
    address = ipaddress.ip_address(found[0][4][0])
    mapped = getattr(address, "ipv4_mapped", None)
    address = mapped or address
    return str(address) if any(address in network for network in networks) else ""


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host
