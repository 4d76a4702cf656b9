"""Market-data messages in Simple Binary Encoding: schema 1 version 0, little-endian, packed without padding.

Written from the published layout alone and shared with no decoder. Prices and quantities are counts of 1e-8 coming in
and a mantissa with a decimal exponent going out. The schema lets exponents change with every message, and here they
do: by the message's id they are those of the symbol's grid or the finest, -8. Times are microseconds.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

_SCHEMA_ID, _VERSION = 1, 0
_HEADER = struct.Struct("<HHHH")
_TRADES = struct.Struct("<qqbb")
_BEST = struct.Struct("<qqbbqqqq")
_SNAPSHOT = struct.Struct("<qqbb")
_DIFF = struct.Struct("<qqqbb")
_TRADE_GROUP = struct.Struct("<HI")
_TRADE = struct.Struct("<qqqB")
_LEVEL_GROUP = struct.Struct("<HH")
_LEVEL_BYTES = 16
_FINEST = -8

TRADES_ID, BEST_ID, SNAPSHOT_ID, DIFF_ID = 10000, 10001, 10002, 10003

Level = tuple[int, int]


class TradeRow(NamedTuple):
    """One trade of a message; `buyer_is_maker` means that the seller took."""

    trade_id: int
    price_e8: int
    qty_e8: int
    buyer_is_maker: bool


@dataclass(frozen=True, slots=True)
class _Scale:
    """A decimal exponent, and what a count of 1e-8 is divided by for its mantissa."""

    exponent: int
    divisor: int


class Encoder:
    """Messages of one symbol whose prices are multiples of the tick and quantities of the step."""

    def __init__(self, symbol: str, tick_e8: int, step_e8: int) -> None:
        name = symbol.encode()
        assert 0 < len(name) < 256, "a symbol has one to 255 bytes"
        self._symbol = bytes((len(name),)) + name
        self._price_scales = (_scale(tick_e8), _Scale(_FINEST, 1))
        self._qty_scales = (_scale(step_e8), _Scale(_FINEST, 1))

    def trades(self, event_us: int, transact_us: int, rows: Sequence[TradeRow]) -> bytes:
        """TradesStreamEvent: the trades of one taker."""
        price, qty = self._scales(rows[0].trade_id)
        root = _TRADES.pack(event_us, transact_us, price.exponent, qty.exponent)
        body = b"".join(
            _TRADE.pack(row.trade_id, row.price_e8 // price.divisor, row.qty_e8 // qty.divisor, row.buyer_is_maker)
            for row in rows
        )
        return _message(TRADES_ID, root) + _TRADE_GROUP.pack(_TRADE.size, len(rows)) + body + self._symbol

    def best_bid_ask(self, event_us: int, update_id: int, bid: Level, ask: Level) -> bytes:
        """BestBidAskStreamEvent; an empty side is price 0 and quantity 0."""
        price, qty = self._scales(update_id)
        root = _BEST.pack(
            event_us,
            update_id,
            price.exponent,
            qty.exponent,
            bid[0] // price.divisor,
            bid[1] // qty.divisor,
            ask[0] // price.divisor,
            ask[1] // qty.divisor,
        )
        return _message(BEST_ID, root) + self._symbol

    def depth_snapshot(self, event_us: int, update_id: int, bids: Sequence[Level], asks: Sequence[Level]) -> bytes:
        """DepthSnapshotStreamEvent: the best levels, best first."""
        price, qty = self._scales(update_id)
        root = _SNAPSHOT.pack(event_us, update_id, price.exponent, qty.exponent)
        return _message(SNAPSHOT_ID, root) + _levels(bids, price, qty) + _levels(asks, price, qty) + self._symbol

    def depth_diff(
        self, event_us: int, first_id: int, last_id: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> bytes:
        """DepthDiffStreamEvent: new quantities of levels, 0 for a level that is gone."""
        price, qty = self._scales(last_id)
        root = _DIFF.pack(event_us, first_id, last_id, price.exponent, qty.exponent)
        return _message(DIFF_ID, root) + _levels(bids, price, qty) + _levels(asks, price, qty) + self._symbol

    def _scales(self, message_id: int) -> tuple[_Scale, _Scale]:
        return self._price_scales[message_id & 1], self._qty_scales[message_id >> 1 & 1]


def _scale(grid_e8: int) -> _Scale:
    """The coarsest exponent in which every multiple of the grid is whole, never above 0."""
    exponent, divisor = _FINEST, 1
    while exponent < 0 and grid_e8 % (divisor * 10) == 0:
        exponent, divisor = exponent + 1, divisor * 10
    return _Scale(exponent, divisor)


def _message(template_id: int, root: bytes) -> bytes:
    return _HEADER.pack(len(root), template_id, _SCHEMA_ID, _VERSION) + root


def _levels(levels: Sequence[Level], price: _Scale, qty: _Scale) -> bytes:
    flat = [part for price_e8, qty_e8 in levels for part in (price_e8 // price.divisor, qty_e8 // qty.divisor)]
    return _LEVEL_GROUP.pack(_LEVEL_BYTES, len(levels)) + struct.pack(f"<{len(flat)}q", *flat)
