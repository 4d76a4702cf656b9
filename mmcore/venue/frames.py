"""WebSocket frames as a server sends them: whole, unmasked, uncompressed."""

from __future__ import annotations

import struct


def text_frame(text: str) -> bytes:
    """One unfragmented, unmasked WebSocket text frame."""
    return _frame(0x81, text.encode("utf-8", "replace"))


def binary_frame(payload: bytes) -> bytes:
    """One unfragmented, unmasked WebSocket binary frame."""
    return _frame(0x82, payload)


def ping_frame(payload: bytes) -> bytes:
    """A ping of up to 125 bytes."""
    return _frame(0x89, payload)


def pong_frame(payload: bytes) -> bytes:
    """The answer to a ping: its payload."""
    return _frame(0x8A, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close with a status code and up to 123 bytes of text."""
    return _frame(0x88, struct.pack(">H", code) + reason.encode())


def _frame(first: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return struct.pack(">BBH", first, 126, size) + payload
    return struct.pack(">BBQ", first, 127, size) + payload
