"""The library's order table for tests: news in, and its orders by the names the twin uses."""

from __future__ import annotations

from typing import Any

from mmcore._native import ffi, lib
from tests.model.order_twin import ENDED, OPEN, News, Settings

STATES = (*OPEN, *ENDED)
DUE = ("CANCEL", "QUERY", "TRADES", "UNKNOWN")


def state_number(name: str) -> int:
    return int(getattr(lib, "MM_ORDER_STATUS_OTHER" if name == "OTHER" else f"MM_ORDER_{name}"))


STATE_NAMES = {state_number(name): name for name in ("FREE", *STATES)}


def memory_of(bytes_: int) -> Any:
    """A block on a cache line, cleared."""
    block = ffi.new("char[]", bytes_ + 64)
    at = int(ffi.cast("uintptr_t", block))
    aligned = ffi.cast("char *", (at + 63) // 64 * 64)
    return ffi.gc(aligned, lambda _pointer, kept=block: ffi.release(kept))


class Table:
    """The table of the library, with records built from news."""

    def __init__(self, room: int, tombstones: int) -> None:
        times = Settings()
        config = ffi.new("mm_order_config *")
        for name in ("reply_timeout", "recv_window", "unknown_first", "unknown_settle", "tombstone"):
            setattr(config, f"{name}_ns", getattr(times, f"{name}_ns"))
        bytes_ = lib.mm_orders_bytes(room, tombstones)
        self._memory = memory_of(bytes_)
        out = ffi.new("mm_orders **")
        assert lib.mm_orders_init(self._memory, bytes_, room, tombstones, config, out) == lib.MM_OK
        self.raw = out[0]

    def place(self, side: int, price: int, qty: int, now_ns: int) -> Any | None:
        out = ffi.new("mm_order **")
        return out[0] if lib.mm_orders_place(self.raw, side, 0, price, qty, now_ns, out) else None

    def replace(self, old: Any, price: int, qty: int, now_ns: int) -> Any | None:
        out = ffi.new("mm_order **")
        return out[0] if lib.mm_orders_replace(self.raw, old, 0, price, qty, now_ns, out) else None

    def apply(self, news: News, now_ns: int, *, last_qty: int = 0, trade_id: int = -1) -> Any:
        records = ffi.new("mm_record[2]")
        records[0].kind = getattr(lib, f"MM_KIND_{news.kind}")
        records[0].count = 2 if news.kind in ("REPORT", "TRADE_ROW") else 1
        if news.is_outcome:
            body = records[0].body.outcome
            body.order_seq = news.seq
            body.operation = getattr(lib, f"MM_OP_{news.operation}")
            body.detail = getattr(lib, f"MM_REJECT_{news.reject}")
            body.code = news.code
            body.recv_ns = news.recv_ns
        else:
            records[0].flags = (lib.MM_FLAG_FILL if news.fill else 0) | (lib.MM_FLAG_FOUND if news.found else 0)
            report = records[0].body.report
            report.order_seq = news.seq
            report.status = state_number(news.status)
            report.executed_e8 = news.executed
            report.exchange_id = news.exchange_id
            report.price_e8 = 100
            report.qty_e8 = last_qty if news.fill else news.qty
            records[1].kind = lib.MM_KIND_MORE
            records[1].body.fill.trade_id = trade_id
        change = ffi.new("mm_order_change *")
        lib.mm_orders_apply(self.raw, records, now_ns, change)
        return change

    def due(self, now_ns: int) -> tuple[Any, set[str]] | None:
        order, bits = ffi.new("mm_order **"), ffi.new("int32_t *")
        if not lib.mm_orders_due(self.raw, now_ns, order, bits):
            return None
        return order[0], {name for name in DUE if bits[0] & getattr(lib, f"MM_DUE_{name}")}

    def open(self) -> list[Any]:
        out = ffi.new("mm_order *[64]")
        return [out[i] for i in range(lib.mm_orders_open(self.raw, -1, out, 64))]

    def find(self, seq: int) -> Any | None:
        order = lib.mm_orders_find(self.raw, seq)
        return None if order == ffi.NULL else order
