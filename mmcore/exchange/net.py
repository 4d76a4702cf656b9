"""TCP and TLS with a budget: time and bytes for one whole exchange with a server, not for each read.

Nothing here listens to the environment: no proxy, no CA bundle, no key log, no netrc.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from certifi import where as public_authorities

from mmcore.exchange.base import printable

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_CONNECT_S: Final = 1.0
_NS_PER_S: Final = 1_000_000_000
_CHAIN_MAX: Final = 32
# Where errors come from whose text is the system's; those of requests and urllib3 are OSErrors too.
_PLAIN_MODULES: Final = frozenset({"builtins", "http.client", "socket", "ssl", __name__})
# A peer that vanished without a word is noticed by the kernel too: probes after 30 s, 3 of them 10 s apart.
_KEEPALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


class TooLargeError(OSError):
    """The other side sent more than the budget allows."""


class Budget:
    """Time and bytes left for the present exchange. Used by one thread at a time."""

    __slots__ = ("_bytes_left", "_deadline_ns", "_now_ns", "_on_sent")

    def __init__(self, now_ns: Callable[[], int]) -> None:
        """now_ns: the local monotonic clock."""
        self._now_ns = now_ns
        self._deadline_ns = 0
        self._bytes_left = 0
        self._on_sent: Callable[[], None] | None = None

    def start(self, total_s: float, max_bytes: int, on_sent: Callable[[], None] | None = None) -> None:
        """A new exchange may take this long and receive this much, headers included. on_sent: called each time the
        kernel has taken bytes of it."""
        self._deadline_ns = self._now_ns() + int(total_s * _NS_PER_S)
        self._bytes_left = max_bytes
        self._on_sent = on_sent

    def sent(self) -> None:
        """Bytes have been handed to the kernel."""
        if self._on_sent is not None:
            self._on_sent()

    def left_s(self) -> float:
        """Seconds left (> 0). Raises TimeoutError when none are."""
        left_ns = self._deadline_ns - self._now_ns()
        if left_ns <= 0:
            raise TimeoutError("the time for this request is over")
        return left_ns / _NS_PER_S

    def received(self, count: int) -> None:
        """Counts bytes. Raises TooLargeError when they are more than allowed."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise TooLargeError("the answer is too large")


class BudgetSocket(socket.socket):
    """A TCP socket whose blocking calls together keep to a budget."""

    budget: Budget

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        self.settimeout(self.budget.left_s())
        data = super().recv(bufsize, flags)
        self.budget.received(len(data))
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(self.budget.left_s())
        count = super().recv_into(buffer, nbytes, flags)
        self.budget.received(count)
        return count

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self.settimeout(self.budget.left_s())
        count = super().send(data, flags)
        self.budget.sent()
        return count

    def sendall(self, data: ReadableBuffer, flags: int = 0) -> None:
        self.settimeout(self.budget.left_s())
        super().sendall(data, flags)
        self.budget.sent()


class BudgetSSLSocket(ssl.SSLSocket):
    """The same over TLS. Contexts of `tls_context` make these; `budget` is set by `start_tls`."""

    budget: Budget | None = None

    def _begin(self) -> None:
        if self.budget is not None:
            self.settimeout(self.budget.left_s())

    def _received(self, count: int) -> None:
        if self.budget is not None:
            self.budget.received(count)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self._begin()
        data = super().recv(buflen, flags)
        self._received(len(data))
        return data

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        self._begin()
        count = super().recv_into(buffer, nbytes, flags)
        self._received(count)
        return count

    def send(self, data: ReadableBuffer, flags: int = 0) -> int:
        self._begin()
        count = super().send(data, flags)
        if self.budget is not None:
            self.budget.sent()
        return count


def tls_context(authorities: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, certificate and host name verified. authorities: a PEM file of trusted ones; None = the public
    ones of the `certifi` package."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authorities or public_authorities())
    context.sslsocket_class = BudgetSSLSocket
    return context


_Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]

_lookups: dict[tuple[str, int], Future[Sequence[_Address]]] = {}
_lookups_lock = threading.Lock()


def resolve(host: str, port: int, budget: Budget) -> Sequence[_Address]:
    """The host's addresses within the budget. Raises OSError; TimeoutError when the system's resolver, which cannot be
    told to stop, is still looking: it goes on in a thread of its own, and who asks for the same name meanwhile waits
    for the same answer."""
    with contextlib.suppress(socket.gaierror):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    with _lookups_lock:
        lookup = _lookups.get((host, port))
        if lookup is None:
            lookup = _lookups[host, port] = Future()
            threading.Thread(target=_look_up, args=(host, port, lookup), name="lookup", daemon=True).start()
    try:
        return lookup.result(budget.left_s())
    except FutureTimeout:
        raise TimeoutError("the name was not found in time") from None


def _look_up(host: str, port: int, lookup: Future[Sequence[_Address]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        with _lookups_lock:
            del _lookups[host, port]
        lookup.set_exception(error if isinstance(error, OSError) else OSError("not a name of a host"))
    else:
        with _lookups_lock:
            del _lookups[host, port]
        lookup.set_result(found)


def connect_tcp(host: str, port: int, budget: Budget) -> BudgetSocket:
    """Connects to the first address of the host that answers; at most 1 s for each and the budget for all of it, the
    look-up of the name included. Raises OSError."""
    failure: OSError = OSError(f"{printable(host)} has no address")
    for family, kind, proto, _, address in resolve(host, port, budget):
        sock = BudgetSocket(family, kind, proto)
        try:
            sock.settimeout(min(_CONNECT_S, budget.left_s()))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
            continue
        _tune(sock)
        sock.budget = budget
        sock.settimeout(budget.left_s())
        return sock
    raise failure


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        if hasattr(socket, name):  # macOS names them otherwise
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def start_tls(sock: BudgetSocket, context: ssl.SSLContext, host: str) -> BudgetSSLSocket:
    """The TLS handshake within the socket's budget. Takes the socket over; closes it on failure. Raises OSError."""
    budget = sock.budget
    try:
        sock.settimeout(budget.left_s())
        secure = context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    assert isinstance(secure, BudgetSSLSocket)
    secure.budget = budget
    return secure


def why(error: BaseException) -> str:
    """Why a connection failed, in a few words without any URL, header or body: libraries put signed URLs into their
    texts, so none of those is passed on."""
    chain = _causes(error)
    known = (one for one in chain if isinstance(one, OSError) and type(one).__module__ in _PLAIN_MODULES)
    found = next(known, chain[0])
    match found:
        case TooLargeError():
            return "the answer is too large"
        case ssl.SSLCertVerificationError():
            return f"the certificate is not accepted ({printable(found.verify_message)})"
        case ssl.SSLError():
            return f"TLS failed ({printable(found.reason or 'no reason given')})"
        case socket.gaierror():
            return "the name is not known"
        case TimeoutError():
            return "no answer in time"
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionError():
            return "the connection was closed"
        case OSError() if found.strerror and found.errno:
            return printable(found.strerror)
    return f"not understood ({type(found).__name__})"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it was made from, innermost first. Libraries wrap in `reason`, in `args` or as a cause."""
    chain: list[BaseException] = []
    pending: list[Any] = [error]
    while pending and len(chain) < _CHAIN_MAX:
        one = pending.pop(0)
        if isinstance(one, BaseException) and one not in chain:
            chain.append(one)
            pending += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
    chain.reverse()
    return chain
