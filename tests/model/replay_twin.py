"""A slow replay of a capture, on dicts and Decimal, as an oracle for `mmcore book`. Nothing of mmcore is used."""

from __future__ import annotations

import gzip
import hashlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any


def _text(value: Decimal) -> str:
    return format(value.normalize(), "f")


class SpotReplay:
    """The sequence rules of Binance Spot, written down once more."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        self.last = int(snapshot["lastUpdateId"])
        self.bids = {Decimal(price): Decimal(qty) for price, qty in snapshot["bids"]}
        self.asks = {Decimal(price): Decimal(qty) for price, qty in snapshot["asks"]}
        self.dropped = self.applied = self.levels = self.deletes = self.absent = 0
        self.tops = hashlib.sha256()
        self.top_at: dict[int, tuple[Decimal, ...]] = {}

    def diff(self, message: dict[str, Any]) -> None:
        """Takes one diff; a gap is an AssertionError."""
        if message["u"] <= self.last:
            self.dropped += 1
            return
        assert message["U"] <= self.last + 1, "gap"
        self.last = message["u"]
        self.applied += 1
        for book, levels in ((self.bids, message["b"]), (self.asks, message["a"])):
            for price, qty in levels:
                self._set(book, Decimal(price), Decimal(qty))
        bid, ask = max(self.bids), min(self.asks)
        self.top_at[self.last] = (bid, self.bids[bid], ask, self.asks[ask])
        self.tops.update((",".join([str(self.last), *map(_text, self.top_at[self.last])]) + "\n").encode())

    def _set(self, book: dict[Decimal, Decimal], price: Decimal, qty: Decimal) -> None:
        self.levels += 1
        if qty:
            book[price] = qty
            return
        self.deletes += 1
        self.absent += book.pop(price, None) is None

    def digest(self) -> str:
        """Over all levels, best first."""
        lines = [f"b,{_text(price)},{_text(self.bids[price])}\n" for price in sorted(self.bids, reverse=True)]
        lines += [f"a,{_text(price)},{_text(self.asks[price])}\n" for price in sorted(self.asks)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def replay_capture(path: Path) -> dict[str, Any]:
    """The line `mmcore book` must print for a capture of one symbol in `<ns> <json>` lines."""
    lines = gzip.decompress(path.read_bytes()).splitlines()
    messages = [json.loads(line.split(b" ", 1)[1]) for line in lines]
    snapshot = next(message for message in messages if "stream" not in message)
    streamed = [message["data"] for message in messages if "stream" in message]
    twin = SpotReplay(snapshot)
    for message in streamed:
        if message.get("e") == "depthUpdate":
            twin.diff(message)
    tickers = {one["u"]: tuple(Decimal(one[key]) for key in "bBaA") for one in streamed if "e" not in one}
    same = [update for update in tickers if update in twin.top_at]
    bid, ask = max(twin.bids), min(twin.asks)
    return {
        "symbol": streamed[0]["s"], "lastUpdateId": snapshot["lastUpdateId"], "dropped_before_snapshot": twin.dropped,
        "applied": twin.applied, "level_updates": twin.levels, "deletes": twin.deletes,
        "deletes_of_absent_level": twin.absent, "crossed": 0, "bookTicker_same_u": len(same),
        "bookTicker_mismatch": sum(tickers[update] != twin.top_at[update] for update in same), "final_u": twin.last,
        "final_best_bid": [_text(bid), _text(twin.bids[bid])], "final_best_ask": [_text(ask), _text(twin.asks[ask])],
        "levels": [len(twin.bids), len(twin.asks)], "bid_qty_sum": _text(sum(twin.bids.values(), Decimal())),
        "ask_qty_sum": _text(sum(twin.asks.values(), Decimal())), "book_sha256": twin.digest(),
        "top_series_sha256": twin.tops.hexdigest(),
    }
