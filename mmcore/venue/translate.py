"""Recorded JSON messages in the other ways of writing them: times in microseconds, and SBE."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Set
from typing import Any

from mmcore.venue.decimals import parse_e8
from mmcore.venue.market import Feed, StreamMessage, Wire
from mmcore.venue.sbe import Encoder, Level, TradeRow

_FINEST_E8 = 1
_TIMES = re.compile(r'"([ET])":(\d+)')


class Translator:
    """Writes the messages of one symbol again, as far as that is wanted.

    A recording may hold values finer than the symbol's grid, so that SBE prices and quantities all have the exponent
    -8. Depth comes at the pace of the recording. What has no time of its own (bookTicker) takes that of its reception.
    """

    def __init__(self, symbol: str) -> None:
        self._encoder = Encoder(symbol, _FINEST_E8, _FINEST_E8)
        self._wanted: frozenset[Feed] = frozenset()
        self._writers: Mapping[str, tuple[str, Callable[[dict[str, Any], int], bytes]]] = {
            "trade": ("trade", self._trade),
            "bookTicker": ("bestBidAsk", self._best),
            "depth": ("depth", self._diff),
            "depth@100ms": ("depth", self._diff),
        }

    def want(self, feeds: Set[Feed]) -> None:
        """Which feeds have takers."""
        self._wanted = frozenset(feed for feed in feeds if feed.wire is not Wire.JSON)

    def translate(self, stream: str, data: str, received_us: int) -> list[StreamMessage]:
        """The message of a JSON stream, in every other way that somebody takes."""
        if not self._wanted:
            return []
        messages = []
        if Feed(stream, Wire.JSON_MICROSECOND) in self._wanted:
            in_microseconds = _TIMES.sub(lambda found: f'"{found[1]}":{int(found[2]) * 1000}', data)
            messages.append(StreamMessage(stream, in_microseconds, Wire.JSON_MICROSECOND))
        name, _, kind = stream.partition("@")
        binary, write = self._writers.get(kind, (None, None))
        if write is not None and Feed(f"{name}@{binary}", Wire.SBE) in self._wanted:
            messages.append(StreamMessage(f"{name}@{binary}", write(json.loads(data), received_us), Wire.SBE))
        return messages

    def _trade(self, row: dict[str, Any], received_us: int) -> bytes:
        trade = TradeRow(int(row["t"]), parse_e8(row["p"]), parse_e8(row["q"]), bool(row["m"]))
        return self._encoder.trades(1000 * int(row["E"]), 1000 * int(row["T"]), [trade])

    def _best(self, row: dict[str, Any], received_us: int) -> bytes:
        bid, ask = _levels(((row["b"], row["B"]), (row["a"], row["A"])))
        return self._encoder.best_bid_ask(received_us, int(row["u"]), bid, ask)

    def _diff(self, row: dict[str, Any], received_us: int) -> bytes:
        bids, asks = _levels(row["b"]), _levels(row["a"])
        return self._encoder.depth_diff(1000 * int(row["E"]), int(row["U"]), int(row["u"]), bids, asks)


def _levels(pairs: Any) -> list[Level]:
    return [(parse_e8(price), parse_e8(qty)) for price, qty in pairs]
