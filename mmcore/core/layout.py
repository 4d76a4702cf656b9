"""Records as NumPy sees them. Apart from the handles, as the bot needs those, and NumPy takes 13 MiB."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

Records = npt.NDArray[np.void]

RECORD: Final = np.dtype([("seq", "<u8"), ("kind", "<u2"), ("flags", "<u2"), ("count", "<u4"), ("body", "V48")])
"""A record whose body is not looked into."""

_I8: Final = "<i8"
_LEVEL: Final = np.dtype([("price_e8", _I8), ("qty_e8", _I8)])
_BODIES: Final[dict[str, Any]] = {
    "depth": [("first_id", _I8), ("last_id", _I8), ("prev_id", _I8), ("event_time_us", _I8), ("recv_ns", _I8),
              ("bid_count", "<u4"), ("ask_count", "<u4")],
    "ticker": [("update_id", _I8), ("bid_price_e8", _I8), ("bid_qty_e8", _I8), ("ask_price_e8", _I8),
               ("ask_qty_e8", _I8), ("recv_ns", _I8)],
    "trade": [("trade_id", _I8), ("price_e8", _I8), ("qty_e8", _I8), ("trade_time_us", _I8), ("recv_ns", _I8),
              ("first_trade_id", _I8)],
    "report": [("order_seq", "<u8"), ("exchange_id", _I8), ("price_e8", _I8), ("qty_e8", _I8), ("executed_e8", _I8),
               ("status", "<i2"), ("side", "<i2"), ("code", "<i4")],
    "fill": [("trade_id", _I8), ("quote_e8", _I8), ("fee_e8", _I8), ("fee_asset", "S16"), ("time_us", _I8)],
    "outcome": [("order_seq", "<u8"), ("recv_ns", _I8), ("until_ns", _I8), ("verdict", "<u8"), ("code", "<i4"),
                ("operation", "<i4"), ("http_status", "<i4"), ("detail", "<i4")],
    "budget": [("recv_ns", _I8), *((name, "<i4") for name in (
        "orders_10s", "orders_10s_limit", "orders_day", "orders_day_limit", "weight_1m", "weight_1m_limit", "raw_5m",
        "raw_5m_limit"))],
    "balance": [("asset", "S16"), ("free_e8", _I8), ("locked_e8", _I8), ("time_us", _I8), ("token", _I8)],
}  # fmt: skip
_HEAD: Final = {"seq": ("<u8", 0), "kind": ("<u2", 8), "flags": ("<u2", 10), "count": ("<u4", 12)}
_BODY_OFFSET: Final = 16

DECODED: Final = np.dtype(
    {
        "names": [*_HEAD, *_BODIES, "levels"],
        "formats": [*(code for code, _ in _HEAD.values()), *map(np.dtype, _BODIES.values()), (_LEVEL, (3,))],
        "offsets": [*(offset for _, offset in _HEAD.values()), *[_BODY_OFFSET] * (len(_BODIES) + 1)],
        "itemsize": 64,
    }
)
"""A record as NumPy sees it; `kind` tells which of the bodies, which share their bytes, is meant."""
