"""Decoding of the exchange's binary (SBE) market messages into records, in C."""

from __future__ import annotations

from typing import Final

import numpy as np

from mmcore._native import ffi, lib
from mmcore.core.feed import DecodeError
from mmcore.core.layout import DECODED, Records
from mmcore.errors import CoreError

# No level or trade takes fewer bytes of a message than this for each record it becomes.
_BYTES_PER_RECORD: Final = 16


class SbeDecoder:
    """Decodes messages of schema 1. One thread at a time.

    symbol: only this symbol's messages become records; "" = every symbol's. Raises CoreError when it has more than 23
    bytes of UTF-8.
    """

    def __init__(self, symbol: str = "") -> None:
        self._symbol = symbol.encode("utf-8")
        if len(self._symbol) > 23:
            raise CoreError(lib.MM_E_ARGUMENT, "symbol is longer than 23 bytes")
        self._out = ffi.new("mm_record[]", 0)
        self._count = ffi.new("size_t *")
        self._error_at = ffi.new("size_t *")

    def decode(self, message: bytes | bytearray | memoryview, recv_ns: int = 0) -> Records:
        """The events of one message as an array of DECODED that shares memory: valid until the next call.

        A template that is not known gives none. Raises DecodeError when the message is malformed or of another schema
        (MM_E_VERSION); then nothing of it is to be used.
        """
        octets = ffi.from_buffer("uint8_t[]", message)
        needed = len(octets) // _BYTES_PER_RECORD + 4
        if len(self._out) < needed:
            self._out = ffi.new("mm_record[]", needed)
        status = lib.mm_sbe_decode(self._symbol, octets, len(octets), recv_ns, self._out, len(self._out), self._count,
                                   self._error_at)
        if status < 0:
            raise DecodeError(status, self._error_at[0])
        return np.frombuffer(ffi.buffer(self._out), dtype=DECODED, count=self._count[0])
