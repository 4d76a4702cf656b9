"""HTTP to one server: requests out, whole answers in, each bounded in time and size, nothing repeated by itself.

A request takes at most 3 s from its start, the look-up of the name included, to the last byte of its answer. No text of
any error holds a URL, a header or a body: signed requests are secrets for as long as they are valid.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Protocol

import requests
import urllib3
from certifi import where as public_authorities
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from mmcore.errors import UnreachableError
from mmcore.exchange.net import Budget, BudgetSSLSocket, connect_tcp, tls_context, why

_TOTAL_S: Final = 3.0
_BODY_MAX_BYTES: Final = 16 << 20
_HEADERS_MAX_BYTES: Final = 128 << 10
_READ_BYTES: Final = 1 << 16
_HEADERS: Final = {
    "User-Agent": "mmcore",
    "Accept": "application/json",
    # Nothing compressed: no work under the lock, and no small answer that grows without bound.
    "Accept-Encoding": "identity",
    "Connection": "keep-alive",
}


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A whole answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes = field(repr=False)


class Http(Protocol):
    """What `RestClient` needs of HTTP. One thread at a time."""

    def request(self, method: str, path: str, query: str, headers: Mapping[str, str],
                on_sent: Callable[[], None] | None = None) -> HttpReply:
        """One request and its whole answer. on_sent: called when the kernel has the request's bytes. Raises
        UnreachableError with the reason alone: whether the request was carried out is not known then."""

    def close(self) -> None:
        """Closes the connection. Idempotent; the next request opens another."""


class HttpSession:
    """`Http` over sockets, one connection kept open."""

    def __init__(self, base: str, now_ns: Callable[[], int], authorities: str | None = None) -> None:
        """base: scheme, host and port. now_ns: the local monotonic clock. authorities: a PEM file of trusted ones;
        None = the public ones."""
        self._base = base
        self._budget = Budget(now_ns)
        self._session = _session(self._budget, authorities or public_authorities())

    def close(self) -> None:
        self._session.close()

    def request(self, method: str, path: str, query: str, headers: Mapping[str, str],
                on_sent: Callable[[], None] | None = None) -> HttpReply:
        asked = requests.Request(method, self._base + path, headers=dict(headers))
        try:
            prepared = self._session.prepare_request(asked)
            prepared.url = self._base + path + (f"?{query}" if query else "")
            self._budget.start(_TOTAL_S, _BODY_MAX_BYTES + _HEADERS_MAX_BYTES, on_sent)
            return self._send(prepared)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = why(error)
        # Out here, so that the library's error, whose text has the signed URL, is not carried along.
        raise UnreachableError(failure)

    def _send(self, prepared: requests.PreparedRequest) -> HttpReply:
        response = self._session.send(prepared, stream=True, timeout=_TOTAL_S, allow_redirects=False,
                                      verify=self._session.verify)
        try:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise OSError("an encoding nobody asked for")
            content = b"".join(response.raw.stream(_READ_BYTES, decode_content=False))
        finally:
            response.close()
        return HttpReply(response.status_code, response.headers, content)


def _session(budget: Budget, authorities: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy, CA bundle or netrc from the environment
    session.verify = authorities
    session.headers.clear()
    session.headers.update(_HEADERS)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(budget, tls_context(authorities))
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _Adapter(HTTPAdapter):
    """One connection, no retry, sockets that keep to the budget."""

    def __init__(self, budget: Budget, tls: ssl.SSLContext) -> None:
        self._budget = budget
        self._tls = tls
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._tls, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = _pool_classes(self._budget)


def _pool_classes(budget: Budget) -> dict[str, type[HTTPConnectionPool]]:
    """Connection pools whose sockets know the budget. The pool manager makes them, so the budget is bound here."""

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect_tcp(self.host, self.port, budget)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect_tcp(self.host, self.port, budget)

        def connect(self) -> None:
            super().connect()
            assert isinstance(self.sock, BudgetSSLSocket)
            self.sock.budget = budget

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}
