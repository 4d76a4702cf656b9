"""The order book as REST and the WebSocket API give it: live, or for a while a copy that faults choose."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from mmcore.venue.market import Market, StreamMessage, Wire

Book = tuple[int, list[tuple[int, int]], list[tuple[int, int]]]

STALE, BOUNDARY, INSIDE = "stale", "boundary", "inside"

_LEVELS = 5_000
_LAST_ID = re.compile(r'"u":(\d+)')
_SBE_DIFF_ID = 10003
_SBE_LAST_ID = struct.Struct("<HHHHqqq")


class Snapshots:
    """Serves the market's book. Times in microseconds. One thread.

    While frozen STALE the book is that of the freeze. While frozen BOUNDARY it is one whose id is the last id of a
    depth message, while frozen INSIDE one whose id lies inside a message's range; both are renewed with the messages of
    the one depth stream that was seen first, and until there is such a book the live one is served.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._mode = ""
        self._until_us = 0
        self._copy: Book | None = None
        self._stream: tuple[str, Wire] | None = None
        self._last_id = 0

    def freeze(self, mode: str, now_us: int, until_us: int) -> None:
        """From now on until then serve copies."""
        self._mode, self._until_us = mode, until_us
        self._copy = self._market.depth(_LEVELS) if mode == STALE else None
        self._stream, self._last_id = None, 0

    def depth(self, limit: int, now_us: int) -> Book | None:
        """(lastUpdateId, bids, asks), best first; None while there is no book yet."""
        if now_us < self._until_us and self._copy is not None:
            last_id, bids, asks = self._copy
            return last_id, bids[:limit], asks[:limit]
        return self._market.depth(limit)

    def observe(self, messages: Iterable[StreamMessage], now_us: int) -> None:
        """What the market has just published."""
        if now_us >= self._until_us or self._mode == STALE:
            return
        for message in messages:
            self._note(message)
        if not self._last_id:
            return
        top = self._market.depth(1)
        if top is None or (self._mode == BOUNDARY) is not (top[0] == self._last_id):
            return
        if self._copy is not None and self._copy[0] == top[0]:
            return
        if self._copy is None or self._copy[0] <= self._last_id:
            self._copy = self._market.depth(_LEVELS)

    def _note(self, message: StreamMessage) -> None:
        last_id = _diff_end(message)
        stream = (message.stream, message.wire)
        if last_id is not None and self._stream in (None, stream):
            self._stream, self._last_id = stream, last_id


def _diff_end(message: StreamMessage) -> int | None:
    """The last update id of a diff; None for any other message."""
    if isinstance(message.data, bytes):
        if len(message.data) < _SBE_LAST_ID.size:
            return None
        _, template, _, _, _, _, last_id = _SBE_LAST_ID.unpack_from(message.data)
        return int(last_id) if template == _SBE_DIFF_ID else None
    found = _LAST_ID.search(message.data) if '"depthUpdate"' in message.data[:32] else None
    return int(found[1]) if found is not None else None
