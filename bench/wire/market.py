"""What the far end of the wire benches says: one market whose best price moves with every frame.

Both ends build the same market from this file: the far end sends it, the near end starts from its snapshot.
"""

from __future__ import annotations

import json
from typing import Final

SYMBOL: Final = "BTCUSDT"
FRAME_BYTES: Final = 300
"""Of a best-price message."""
SNAPSHOT_ID: Final = 1000
HALF_WIDTH: Final = 0.001
"""Of the bot's quotes, as a part of mid."""
_BASE_CENTS: Final = 5_000_000
_UNIT_CENTS: Final = 25
_PERIOD: Final = 256
_QTY: Final = "1.50000000"
_DEEP: Final = 100


def _height(step: int) -> int:
    """Up by even numbers and down by odd ones: all prices of a period differ, neighbours by two units."""
    at = step % _PERIOD
    return 2 * at if at < _PERIOD // 2 else 2 * (_PERIOD - at) - 1


def _bid_cents(height: int) -> int:
    return _BASE_CENTS + _UNIT_CENTS * height


def newest_step(steps: range, side: str, price_cents: int) -> int | None:
    """The newest of the steps at which the bot quotes this price: HALF_WIDTH from mid."""
    for step in reversed(steps):
        mid_cents = _bid_cents(_height(step)) + 0.5
        wanted_cents = mid_cents * (1 - HALF_WIDTH if side == "BUY" else 1 + HALF_WIDTH)
        if abs(price_cents - wanted_cents) <= 2:
            return step
    return None


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}000000"


def ticker(update_id: int, step: int, qty: str = _QTY) -> bytes:
    """A best-price message of FRAME_BYTES, filled up with fields that a reader has to pass over."""
    bid_cents = _bid_cents(_height(step))
    head = (f'{{"stream":"btcusdt@bookTicker","data":{{"u":{update_id},"s":"{SYMBOL}","b":"{_price(bid_cents)}",'
            f'"B":"{qty}","a":"{_price(bid_cents + 1)}","A":"{_QTY}","e":"bookTicker","E":1700000000000000,'
            f'"T":1700000000000000,"st":0,"note":"').encode()
    tail = b'"}}'
    return head + b"-" * (FRAME_BYTES - len(head) - len(tail)) + tail


def diff(first_id: int, last_id: int, from_step: int, step: int) -> bytes:
    """A depth message that brings the book from one step's best price to another's."""
    low, high = sorted((_height(from_step), _height(step)))
    rows: dict[str, list[list[str]]] = {"b": [], "a": []}
    for height in range(low, high + 1):
        cents = _bid_cents(height)
        rows["b"].append([_price(cents), _QTY if height <= _height(step) else "0.00000000"])
        rows["a"].append([_price(cents + 1), _QTY if height >= _height(step) else "0.00000000"])
    data = {"e": "depthUpdate", "E": 1_700_000_000_000_000, "s": SYMBOL, "U": first_id, "u": last_id, **rows}
    return json.dumps({"stream": "btcusdt@depth@100ms", "data": data}, separators=(",", ":")).encode()


def snapshot() -> bytes:
    """The book of step 0, as REST gives it."""
    asks = [_bid_cents(height) + 1 for height in range(_PERIOD)]
    asks += [asks[-1] + 1 + deep for deep in range(_DEEP)]
    book = {"lastUpdateId": SNAPSHOT_ID, "bids": [[_price(_BASE_CENTS - deep), _QTY] for deep in range(_DEEP)],
            "asks": [[_price(cents), _QTY] for cents in asks]}
    return json.dumps(book).encode()
