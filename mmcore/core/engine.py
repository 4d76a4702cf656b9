"""The engine's configuration and what it says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmcore._native import ffi, lib
from mmcore.errors import CoreError


def text_of(raw: Any) -> str:
    """A text of the core. Names it has from the exchange are UTF-8; what is none shows as replacement characters."""
    return bytes(ffi.string(raw)).decode("utf-8", "replace")


def reason_name(reason: int) -> str:
    """`STALE_BOOK` of a reason's number."""
    return text_of(lib.mm_reason_name(reason))


def reason_text(reason: int) -> str:
    """A sentence for a person."""
    return text_of(lib.mm_reason_text(reason))


def state_name(state: int) -> str:
    """`ACTIVE` of a state's number."""
    return text_of(lib.mm_state_name(state))


def first_reason(verdict: int) -> int:
    """The reason of a verdict that counts most; 0 = none."""
    return int(lib.mm_reason_first(verdict))


def reasons(verdict: int) -> list[str]:
    """The names of all reasons in a verdict, the most important first."""
    return [reason_name(reason) for reason in range(1, lib.MM_REASON_COUNT) if verdict >> reason & 1]


class EngineConfig:
    """Everything a run depends on, as the C struct that also stands in the input log."""

    def __init__(self, raw: Any) -> None:
        """raw: an owned `mm_engine_config *`."""
        self.raw = raw

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> EngineConfig:
        """From nested plain values named as in mmcore.h; derives what strategies need. Raises CoreError naming the
        field."""
        raw = ffi.new("mm_engine_config *", dict(values))
        bad_field = ffi.new("char **")
        status = lib.mm_quote_derive(ffi.addressof(raw, "quote"), bad_field)
        if status < 0:
            raise CoreError(status, f"strategy.{text_of(bad_field[0])}")
        return cls(raw)

    @property
    def assets(self) -> frozenset[str]:
        """Base and quote asset."""
        symbol = self.raw.symbol
        return frozenset((text_of(symbol.base), text_of(symbol.quote)))

    @property
    def quote(self) -> str:
        """Quote asset."""
        return text_of(self.raw.symbol.quote)

    @property
    def fee_asset(self) -> str:
        """What commissions may be paid in at a discount; "" = nothing."""
        return text_of(self.raw.fee_asset)


class Engine:
    """One engine: it lives as long as this object."""

    def __init__(self, config: EngineConfig) -> None:
        """Raises CoreError naming the field that is outside its range."""
        bad_field = ffi.new("char **")
        raw = lib.mm_engine_new(config.raw, bad_field)
        if raw == ffi.NULL:
            field = text_of(bad_field[0]) if bad_field[0] != ffi.NULL else "memory"
            raise CoreError(lib.MM_E_ARGUMENT, f"engine configuration: {field}")
        self.raw = ffi.gc(raw, lib.mm_engine_free)
        self.config = config

    def balances(self) -> dict[str, tuple[int, int]]:
        """asset -> (free_e8, locked_e8) as last reported. Only while nothing else runs the engine."""
        rows = ffi.new("mm_balance[]", lib.MM_ASSETS_MAX)
        count = lib.mm_engine_balances(self.raw, rows, lib.MM_ASSETS_MAX)
        return {text_of(row.asset): (int(row.free_e8), int(row.locked_e8)) for row in rows[0:count]}

    def fees(self) -> dict[str, int]:
        """asset -> commissions paid in it, times 1e8; only of assets that paid. Only while nothing else runs the
        engine."""
        rows = ffi.new("mm_balance[]", lib.MM_ASSETS_MAX)
        count = lib.mm_engine_balances(self.raw, rows, lib.MM_ASSETS_MAX)
        return {text_of(row.asset): int(row.fees_e8) for row in rows[0:count] if row.fees_e8}

    def orders(self) -> list[OpenOrderView]:
        """Own orders that may still trade. Only while nothing else runs the engine."""
        rows = ffi.new("mm_order[]", 64)
        count = lib.mm_engine_orders(self.raw, rows, 64)
        return [OpenOrderView(int(row.seq), int(row.exchange_id), int(row.side), int(row.layer), int(row.state),
                              int(row.price_e8), int(row.qty_e8), int(row.executed_e8)) for row in rows[0:count]]


@dataclass(frozen=True, slots=True)
class OpenOrderView:
    """One own order. side: 0 bid, 1 ask; state: MM_ORDER_*."""

    seq: int
    exchange_id: int
    side: int
    layer: int
    state: int
    price_e8: int
    qty_e8: int
    executed_e8: int


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Counters and state at one moment; names and units as in mmcore.h."""

    now_ns: int
    synced_ns: int
    state: int
    verdict: int
    bid_verdict: int
    ask_verdict: int
    events: int
    book_updates: int
    gaps: int
    resyncs: int
    book_audits: int
    book_audit_failures: int
    malformed: int
    quotes: int
    orders_sent: int
    orders_acked: int
    orders_rejected: int
    orders_refused: int
    orders_canceled: int
    would_match: int
    fills: int
    foreign_orders: int
    reconciles: int
    reconcile_repairs: int
    unpriced_fees: int
    moves_wanted: int
    moves_made: int
    moves_merged: int
    moves_withheld: int
    replaces: int
    amends: int
    dust_e8: int
    open_orders: int
    unknown_orders: int
    position_e8: int
    inventory_e8: int
    mid_e8: int
    quoted_bid_ns: int
    quoted_ask_ns: int
    synced_time_ns: int
    best: tuple[int, int, int, int]
    """Bid price, bid quantity, ask price, ask quantity; quantities 0 = that side is empty."""
    pnl: tuple[int, int, int]
    """Realized, unrealized, fees, in quote."""
    wanted_bid_e8: int | None
    wanted_ask_e8: int | None
    reason_ns: Mapping[str, int]

    @classmethod
    def of(cls, raw: Any) -> EngineStatus:
        """From an `mm_engine_status *`."""
        plain = {name: int(getattr(raw, name)) for name in _PLAIN}
        top, pnl, wanted = raw.top, raw.pnl, raw.wanted
        spent = {reason_name(reason): int(raw.reason_ns[reason]) for reason in range(lib.MM_REASON_COUNT)
                 if raw.reason_ns[reason]}
        return cls(
            **plain,
            best=(int(top.bid_price_e8), int(top.bid_qty_e8), int(top.ask_price_e8), int(top.ask_qty_e8)),
            pnl=(int(pnl.realized_e8), int(pnl.unrealized_e8), int(pnl.fees_e8)),
            wanted_bid_e8=int(wanted.bids[0].price_e8) if wanted.bid_count else None,
            wanted_ask_e8=int(wanted.asks[0].price_e8) if wanted.ask_count else None,
            reason_ns=spent,
        )


_PLAIN = (
    "now_ns", "synced_ns", "state", "verdict", "bid_verdict", "ask_verdict", "events", "book_updates", "gaps",
    "resyncs", "book_audits", "book_audit_failures", "malformed", "quotes", "orders_sent", "orders_acked",
    "orders_rejected", "orders_refused", "orders_canceled", "would_match", "fills", "foreign_orders", "reconciles",
    "reconcile_repairs", "unpriced_fees", "moves_wanted", "moves_made", "moves_merged", "moves_withheld", "replaces",
    "amends", "dust_e8", "open_orders", "unknown_orders", "position_e8", "inventory_e8", "mid_e8",
    "quoted_bid_ns", "quoted_ask_ns", "synced_time_ns",
)
