"""A WebSocket as bytes: opened by a library, then a raw non-blocking socket whose frames the core decodes.

`open_channel` blocks and may run on any thread; the channel it returns then belongs to one thread at a time, which
makes all calls on it (two threads on one TLS socket crash current CPythons).
"""

from __future__ import annotations

import fcntl
import functools
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast
from urllib.parse import urlsplit

from websocket import ABNF, WebSocket, WebSocketBadStatusException, WebSocketException

from mmcore.errors import UnreachableError
from mmcore.exchange.base import printable
from mmcore.exchange.net import Budget, connect_tcp, start_tls, tls_context, why

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Of an upgrade request: (name, value)."""

_HANDSHAKE_MAX_BYTES: Final = 1 << 16
_OUTGOING_MAX_BYTES: Final = 1 << 20


def text_frame(payload: bytes) -> bytes:
    """A masked text frame; payload: UTF-8."""
    return _frame(payload, ABNF.OPCODE_TEXT)


def ping_frame(payload: bytes) -> bytes:
    """A masked ping; payload: at most 125 bytes, which the pong brings back."""
    return _control(payload, ABNF.OPCODE_PING)


def pong_frame(payload: bytes) -> bytes:
    """A masked pong; payload: that of the ping it answers."""
    return _control(payload, ABNF.OPCODE_PONG)


def close_frame(code: int) -> bytes:
    """A masked close; code: 1000 normal, 1009 message too large, ..."""
    return _control(code.to_bytes(2, "big"), ABNF.OPCODE_CLOSE)


def _control(payload: bytes, opcode: int) -> bytes:
    if len(payload) > 125:
        raise ValueError(f"a control frame holds 125 bytes, not {len(payload)}")
    return _frame(payload, opcode)


def _frame(payload: bytes, opcode: int) -> bytes:
    frame: bytes = ABNF.create_frame(payload, opcode).format()
    return frame


class HandshakeRefusedError(UnreachableError):
    """The server answered the upgrade with something else. status: HTTP; retry_after_s: as asked for, None if not."""

    def __init__(self, message: str, status: int, retry_after_s: int | None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Wire(Protocol):
    """What the holder of a connection asks of it; `Channel` is the one over a socket."""

    @property
    def close_reason(self) -> str:
        """Why the connection is over, in a few words; "" while it is not known to be."""

    @property
    def wants_write(self) -> bool:
        """Whether to wait for the descriptor to take output, then to `flush`."""

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""

    def recv_into(self, buffer: memoryview) -> int | None:
        """Reads what is there. None: nothing now; 0: the connection is over."""

    def send(self, frame: bytes | memoryview) -> bool:
        """Hands whole frames over in one piece. False: nothing of them leaves. True: they arrive, in order, unless the
        connection ends, which reading tells."""

    def flush(self) -> bool:
        """Sends what waits; True when nothing waits any more."""

    def close(self, code: int = 1000) -> None:
        """Ends the connection. Idempotent."""


class Channel:
    """The bytes of one WebSocket connection, without waiting.

    Reading: call `recv_into` until it gives None, then wait for `fileno` to be readable; TLS keeps bytes back that the
    descriptor knows nothing of. Writing: `send` hands over whole frames; while `wants_write` is true wait for the
    descriptor to take output as well and call `flush`.
    """

    __slots__ = ("_close_reason", "_out", "_out_max", "_read_waits_for_write", "_sock", "_tls", "_unread", "_write",
                 "_write_waits_for_read")

    def __init__(self, sock: socket.socket, outgoing_max_bytes: int = _OUTGOING_MAX_BYTES) -> None:
        """Takes the connected socket over. outgoing_max_bytes: how much may wait for the kernel to take it."""
        sock.setblocking(False)
        self._sock = sock
        # The plain calls of the class: a budget was for the handshake only.
        self._tls = sock if isinstance(sock, ssl.SSLSocket) else None
        self._write: Callable[[Any, memoryview], int] = ssl.SSLSocket.write if self._tls else socket.socket.send
        self._unread = bytearray(struct.calcsize("i"))
        self._out = bytearray()
        self._out_max = outgoing_max_bytes
        self._read_waits_for_write = False
        self._write_waits_for_read = False
        self._close_reason = ""

    def fileno(self) -> int:
        """The descriptor to wait on; -1 once closed."""
        return self._sock.fileno()

    @property
    def close_reason(self) -> str:
        """Why the connection is over, in a few words; "" while it is not known to be."""
        return self._close_reason

    @property
    def closed(self) -> bool:
        """Whether the connection is known to be over. Bytes that came before may have been read already."""
        return bool(self._close_reason)

    @property
    def wants_write(self) -> bool:
        """Whether to wait for the descriptor to take output: bytes are waiting, or TLS has something to say."""
        if self._close_reason:
            return False
        return self._read_waits_for_write or (bool(self._out) and not self._write_waits_for_read)

    def recv_into(self, buffer: memoryview) -> int | None:
        """Reads what is there, at most len(buffer) > 0 bytes; less only when there is no more now, or the connection is
        over. None: nothing now; 0: the connection is over."""
        if self._close_reason:
            return 0
        total = count = self._read_once(buffer)
        if self._tls is not None:  # it gives a record a call
            size = len(buffer)
            while count and total < size and self._has_more():
                count = self._read_once(buffer[total:])
                total += count
        if total == 0 and not self._close_reason:
            return None
        return total

    def _has_more(self) -> bool:
        """Whether another read may give something, after one that did not fill its buffer: then TLS keeps nothing back.
        To ask costs a third of a read that gives nothing."""
        fcntl.ioctl(self._sock, termios.FIONREAD, self._unread)
        return any(self._unread)

    def _read_once(self, buffer: memoryview) -> int:
        """Bytes read; 0 = nothing now, or the connection is over."""
        self._read_waits_for_write = False
        try:
            if self._tls is None:
                count = socket.socket.recv_into(self._sock, buffer)
            else:
                count = cast("int", ssl.SSLSocket.read(self._tls, len(buffer), buffer))  # into a buffer: how many
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError):
            return 0
        except ssl.SSLWantWriteError:
            self._read_waits_for_write = True
            return 0
        except OSError as error:
            self._fail(why(error))
            return 0
        if count == 0:
            self._fail("closed by the other side")
        elif self._write_waits_for_read:
            self._write_waits_for_read = False
            self.flush()
        return count

    def send(self, frame: bytes | memoryview) -> bool:
        """Hands whole frames over in one piece. False: nothing of them leaves, because the connection is over or
        `outgoing_max_bytes` would be exceeded. True: the kernel has them or will get them in order, unless the
        connection ends, which reading tells."""
        if self._close_reason or len(self._out) + len(frame) > self._out_max:
            return False
        if self._out:
            self._out += frame
            self.flush()
            # Of a connection that ended meanwhile: whether the kernel took any of these bytes before.
            return not self.closed or len(self._out) < len(frame)
        taken = self._write_once(memoryview(frame))
        self._out += frame[taken:]
        return not self.closed

    def flush(self) -> bool:
        """Gives the kernel what waits; True when nothing waits any more."""
        while self._out and not self._close_reason:
            with memoryview(self._out) as waiting:
                taken = self._write_once(waiting)
            if taken == 0:
                break
            del self._out[:taken]
        return not self._out

    def _write_once(self, data: memoryview) -> int:
        self._write_waits_for_read = False
        try:
            return self._write(self._sock, data)
        except (BlockingIOError, InterruptedError, ssl.SSLWantWriteError):
            return 0
        except ssl.SSLWantReadError:
            self._write_waits_for_read = True
            return 0
        except OSError as error:
            self._fail(why(error))
            return 0

    def _fail(self, reason: str) -> None:
        self._close_reason = self._close_reason or reason

    def close(self, code: int = 1000) -> None:
        """Says good-bye if that is possible without waiting, and closes. Idempotent."""
        if self._sock.fileno() < 0:
            return
        if not self._close_reason and not self._out:
            self.send(close_frame(code))
        self._fail("closed by us")
        self._sock.close()


def open_channel(url: str, *, now_ns: Callable[[], int], headers: Headers = (), timeout_s: float = 5.0,
                 tls: ssl.SSLContext | None = None) -> Channel:
    """Connects, shakes hands and returns the connection. Blocks at most timeout_s.

    url: ws:// or wss://; redirects are refused. headers: go with the upgrade. now_ns: the local monotonic clock.
    tls: made by `tls_context`; None = the public authorities. Raises UnreachableError, or its subclass
    HandshakeRefusedError when an HTTP server answers without an upgrade. Its text never holds more of the URL than the
    host.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("ws", "wss") or not host:
        raise ValueError("a channel needs a ws:// or wss:// URL")
    secure = parts.scheme == "wss"
    budget = Budget(now_ns)
    budget.start(timeout_s, _HANDSHAKE_MAX_BYTES)
    try:
        plain = connect_tcp(host, parts.port or (443 if secure else 80), budget)
        sock = start_tls(plain, tls or _public_tls(), host) if secure else plain
        _upgrade(sock, url, headers)
    except WebSocketBadStatusException as refusal:
        failure = _refusal(host, refusal)
    except (OSError, WebSocketException, ValueError, AttributeError, TypeError) as error:
        # The last three: what the library lets through for answers that are no HTTP.
        failure = UnreachableError(f"{host}: {why(error)}")
    else:
        return Channel(sock)
    raise failure


@functools.cache
def _public_tls() -> ssl.SSLContext:
    """One for all: reading the authorities takes some milliseconds of the lock that hot threads need."""
    return tls_context()


def _upgrade(sock: socket.socket, url: str, headers: Headers) -> None:
    """The library sends the upgrade and checks the answer, reading byte by byte: nothing of the first frame is lost."""
    try:
        client = WebSocket(enable_multithread=False)
        client.connect(url, socket=sock, redirect_limit=0, suppress_origin=True,  # type: ignore[no-untyped-call]
                       header=dict(headers))
    except BaseException:
        sock.close()
        raise


def _refusal(host: str, refusal: WebSocketBadStatusException) -> UnreachableError:
    headers = refusal.resp_headers or {}
    retry_after = headers.get("retry-after", "")
    wait_s = int(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 8 else None
    text = f"{host}: HTTP {refusal.status_code} {printable(refusal.status_message or '', 60)} instead of a WebSocket"
    return HandshakeRefusedError(text, refusal.status_code, wait_s)
