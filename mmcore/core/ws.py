"""WebSocket frames, parsed in C over one receive buffer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

TEXT: Final[int] = lib.MM_WS_TEXT
BINARY: Final[int] = lib.MM_WS_BINARY
CLOSE: Final[int] = lib.MM_WS_CLOSE
PING: Final[int] = lib.MM_WS_PING
PONG: Final[int] = lib.MM_WS_PONG


class WsError(CoreError):
    """The server broke the protocol. close_code: what to close the connection with."""

    def __init__(self, status: int, close_code: int) -> None:
        name = bytes(ffi.string(lib.mm_status_name(status))).decode("ascii")
        super().__init__(status, f"WebSocket protocol error: {name}, close with {close_code}")
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class WsMessage:
    """A whole message or a control frame. close_code: of CLOSE, whose payload is the reason; 1005 = none was said."""

    opcode: int
    payload: bytes
    close_code: int


class WsParser:
    """Parses what a server sends. One thread at a time.

    buffer_bytes: 1,024 to 2^28; a message may have 127 bytes less, and 1 MiB at most.
    Raises CoreError outside that range, or when there is no memory.
    """

    def __init__(self, buffer_bytes: int) -> None:
        raw = lib.mm_ws_new(buffer_bytes)
        if raw == ffi.NULL:
            raise CoreError(lib.MM_E_ARGUMENT, f"no parser with a buffer of {buffer_bytes} bytes")
        # For other handles of `mmcore.core` too. Plain, for it is read on the way of every frame.
        self.raw: Any = ffi.gc(raw, lib.mm_ws_free)
        self._space = ffi.new("size_t *")
        self._message = ffi.new("mm_ws_message *")

    @property
    def close_code(self) -> int:
        """1002, 1007 or 1009 after a protocol error, else 0."""
        return int(lib.mm_ws_close_code(self.raw))

    def space(self) -> memoryview:
        """Where the next bytes from the socket go; valid until the next call."""
        start = lib.mm_ws_space(self.raw, self._space)
        return memoryview(ffi.buffer(start, self._space[0]))

    def filled(self, count: int) -> None:
        """`count` bytes, not more than there was space for, have been written there."""
        lib.mm_ws_filled(self.raw, count)

    def next(self) -> WsMessage | None:
        """The next message, or None when more bytes are needed. Raises WsError, again and again until `reset`."""
        status = lib.mm_ws_next(self.raw, self._message)
        if status == lib.MM_E_STATE:
            return None
        if status < 0:
            raise WsError(status, self.close_code)
        message = self._message
        payload = bytes(ffi.buffer(message.payload, message.payload_bytes)) if message.payload_bytes else b""
        return WsMessage(message.opcode, payload, message.close_code)

    def reset(self) -> None:
        """Forgets everything: a new connection."""
        lib.mm_ws_reset(self.raw)


def encode(opcode: int, payload: bytes, mask_key: int) -> bytes:
    """A client's frame. mask_key: 32 random bits. CLOSE, PING and PONG carry 125 bytes at most (ValueError)."""
    if opcode >= CLOSE and len(payload) > 125:
        raise ValueError(f"a control frame holds 125 bytes, not {len(payload)}")
    out = ffi.new("uint8_t[]", len(payload) + lib.MM_WS_HEADER_MAX)
    count = lib.mm_ws_encode(opcode, payload, len(payload), mask_key, out)
    return bytes(ffi.buffer(out, count))
