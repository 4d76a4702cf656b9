"""Writes the exchange's market events as the SBE streams send them, and as the JSON streams do.

Independent of the decoder and of the venue: plain `struct` after the published layout of schema 1, version 0. Prices
and quantities are given as int e8; `exponents` says in which unit they travel. `grow` puts that many unknown bytes at
the end of the root block and of each entry, as a later version of the schema may.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass

Level = tuple[int, int]

TRADES, TICKER, PARTIAL, DEPTH = 10000, 10001, 10002, 10003


@dataclass(frozen=True, slots=True)
class Wire:
    """How the same event may be written."""

    price_exponent: int = -8
    qty_exponent: int = -8
    grow: int = 0
    version: int = 0
    tail: bytes = b""

    def price(self, price_e8: int) -> int:
        return mantissa(price_e8, self.price_exponent)

    def qty(self, qty_e8: int) -> int:
        return mantissa(qty_e8, self.qty_exponent)


def mantissa(value_e8: int, exponent: int) -> int:
    """value_e8 * 1e-8 as a multiple of 10^exponent, which it must be."""
    if exponent <= -8:
        return int(value_e8 * 10 ** (-8 - exponent))
    whole, rest = divmod(value_e8, 10 ** (exponent + 8))
    assert rest == 0
    return whole


def _message(template: int, root: bytes, groups: bytes, symbol: str, wire: Wire) -> bytes:
    root += b"\xa5" * wire.grow
    name = symbol.encode("utf-8")
    head = struct.pack("<HHHH", len(root), template, 1, wire.version)
    return head + root + groups + bytes([len(name)]) + name + wire.tail


def _levels(levels: Sequence[Level], wire: Wire) -> bytes:
    filler = b"\x5a" * wire.grow
    entries = (struct.pack("<qq", wire.price(price), wire.qty(qty)) + filler for price, qty in levels)
    return struct.pack("<HH", 16 + wire.grow, len(levels)) + b"".join(entries)


def depth(symbol: str, first_id: int, last_id: int, bids: Sequence[Level], asks: Sequence[Level], time_us: int,
          wire: Wire = Wire()) -> bytes:
    root = struct.pack("<qqqbb", time_us, first_id, last_id, wire.price_exponent, wire.qty_exponent)
    return _message(DEPTH, root, _levels(bids, wire) + _levels(asks, wire), symbol, wire)


def partial(symbol: str, last_id: int, bids: Sequence[Level], asks: Sequence[Level], time_us: int,
            wire: Wire = Wire()) -> bytes:
    root = struct.pack("<qqbb", time_us, last_id, wire.price_exponent, wire.qty_exponent)
    return _message(PARTIAL, root, _levels(bids, wire) + _levels(asks, wire), symbol, wire)


def ticker(symbol: str, update_id: int, bid: Level, ask: Level, time_us: int, wire: Wire = Wire()) -> bytes:
    root = struct.pack("<qqbbqqqq", time_us, update_id, wire.price_exponent, wire.qty_exponent, wire.price(bid[0]),
                       wire.qty(bid[1]), wire.price(ask[0]), wire.qty(ask[1]))
    return _message(TICKER, root, b"", symbol, wire)


@dataclass(frozen=True, slots=True)
class Trade:
    trade_id: int
    price_e8: int
    qty_e8: int
    buyer_maker: bool


def trades(symbol: str, made: Sequence[Trade], time_us: int, wire: Wire = Wire()) -> bytes:
    root = struct.pack("<qqbb", time_us + 7, time_us, wire.price_exponent, wire.qty_exponent)
    filler = b"\x5a" * wire.grow
    group = struct.pack("<HI", 25 + wire.grow, len(made)) + b"".join(
        struct.pack("<qqqB", trade.trade_id, wire.price(trade.price_e8), wire.qty(trade.qty_e8), trade.buyer_maker)
        + filler for trade in made)
    return _message(TRADES, root, group, symbol, wire)


# ---- The same events in JSON, times in microseconds ------------------------------------------------------------------


def decimal(value_e8: int) -> str:
    """With 8 decimals."""
    return f"{value_e8 // 10**8}.{value_e8 % 10**8:08d}"


def _json_levels(levels: Sequence[Level]) -> list[list[str]]:
    return [[decimal(price), decimal(qty)] for price, qty in levels]


def _wrapped(stream: str, data: dict[str, object]) -> bytes:
    return json.dumps({"stream": stream, "data": data}, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def json_depth(symbol: str, first_id: int, last_id: int, bids: Sequence[Level], asks: Sequence[Level],
               time_us: int) -> bytes:
    return _wrapped(f"{symbol.lower()}@depth@100ms", {
        "e": "depthUpdate", "E": time_us, "s": symbol, "U": first_id, "u": last_id, "b": _json_levels(bids),
        "a": _json_levels(asks)})


def json_partial(symbol: str, last_id: int, bids: Sequence[Level], asks: Sequence[Level]) -> bytes:
    return _wrapped(f"{symbol.lower()}@depth20@100ms", {
        "lastUpdateId": last_id, "bids": _json_levels(bids), "asks": _json_levels(asks)})


def json_ticker(symbol: str, update_id: int, bid: Level, ask: Level) -> bytes:
    return _wrapped(f"{symbol.lower()}@bookTicker", {
        "u": update_id, "s": symbol, "b": decimal(bid[0]), "B": decimal(bid[1]), "a": decimal(ask[0]),
        "A": decimal(ask[1])})


def json_trade(symbol: str, trade: Trade, time_us: int) -> bytes:
    return _wrapped(f"{symbol.lower()}@trade", {
        "e": "trade", "E": time_us + 7, "s": symbol, "t": trade.trade_id, "p": decimal(trade.price_e8),
        "q": decimal(trade.qty_e8), "T": time_us, "m": trade.buyer_maker, "M": True})
