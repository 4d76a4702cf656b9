"""The risk manager: limits, what it observes, and its verdicts. One thread at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

_LINE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class EquityVerdict:
    """What the limits after the trade say. halt_until_ns: 0 unless the loss of the last minute halts."""

    verdict: int
    kill: bool
    halt_until_ns: int


class RiskView:
    """What orders are judged against. orders, ledger: the C objects (`mm_orders *`, `mm_ledger *`)."""

    def __init__(self, symbol: Mapping[str, Any], orders: Any, ledger: Any) -> None:
        """symbol: fields of `mm_symbol`."""
        self._symbol = ffi.new("mm_symbol *", dict(symbol))
        self.raw: Any = ffi.new("mm_risk_view *", {"symbol": self._symbol, "orders": orders, "ledger": ledger})

    def see(self, *, bid: tuple[int, int], ask: tuple[int, int], position_e8: int, now_ns: int) -> None:
        """The present: best levels (price_e8, qty_e8; quantity 0 = none), base held less the target, time."""
        top = self.raw.top
        top.bid_price_e8, top.bid_qty_e8 = bid
        top.ask_price_e8, top.ask_qty_e8 = ask
        self.raw.position_e8 = position_e8
        self.raw.now_ns = now_ns


class RiskManager:
    """Verdicts are sets of reasons (`mmcore.core.engine.reasons` names them); 0 = nothing against it."""

    def __init__(self, limits: Mapping[str, Any]) -> None:
        """limits: every field of `mm_risk_config`. Raises CoreError naming the one that is off or out of range."""
        config = ffi.new("mm_risk_config *", dict(limits))
        needed = int(lib.mm_risk_bytes(config))
        self._memory = ffi.new("uint8_t[]", needed + _LINE_BYTES)
        skipped = -int(ffi.cast("uintptr_t", self._memory)) % _LINE_BYTES
        made = ffi.new("mm_risk **")
        bad_field = ffi.new("char **")
        status = lib.mm_risk_init(self._memory + skipped, needed, config, made, bad_field)
        if status < 0:
            field = ffi.string(bad_field[0]).decode() if bad_field[0] != ffi.NULL else "memory"
            raise CoreError(status, f"risk.{field}")
        self.raw: Any = made[0]

    # ---- observations

    def mid(self, mid_e8: int, now_ns: int) -> None:
        """A new mid, > 0."""
        lib.mm_risk_mid(self.raw, mid_e8, now_ns)

    def trade(self, price_e8: int, qty_e8: int, now_ns: int) -> None:
        """A trade of the market."""
        lib.mm_risk_trade(self.raw, price_e8, qty_e8, now_ns)

    def sent(self, side: int, price_e8: int, qty_e8: int, now_ns: int) -> None:
        """An own order goes out. side: 0 bid, 1 ask."""
        lib.mm_risk_sent(self.raw, side, price_e8, qty_e8, now_ns)

    def reject(self, reject_class: int, side: int, layer: int, now_ns: int) -> None:
        """An own order was definitely refused. reject_class: MM_REJECT_*."""
        lib.mm_risk_reject(self.raw, reject_class, side, layer, now_ns)

    def accept(self, side: int, layer: int) -> None:
        """An own order rests."""
        lib.mm_risk_accept(self.raw, side, layer)

    def malformed(self, now_ns: int) -> None:
        """A message could not be read."""
        lib.mm_risk_malformed(self.raw, now_ns)

    # ---- verdicts

    def order(self, view: RiskView, side: int, layer: int, price_e8: int, qty_e8: int) -> int:
        """Why one order may not be placed."""
        return int(lib.mm_risk_order(self.raw, view.raw, side, layer, price_e8, qty_e8))

    def room(self, view: RiskView, side: int, price_e8: int) -> int:
        """The largest quantity that the limits of size leave at this price, 0 = none."""
        return int(lib.mm_risk_room(self.raw, view.raw, side, price_e8))

    def market(self, mid_e8: int, now_ns: int) -> int:
        """Why nothing may be quoted, as far as it follows from observations."""
        return int(lib.mm_risk_market(self.raw, mid_e8, now_ns))

    def equity(self, equity_e8: int, pnl_total_e8: int, utc_day: int, now_ns: int) -> EquityVerdict:
        """The limits after the trade, at this equity and P&L of the session."""
        kill, until_ns = ffi.new("bool *"), ffi.new("int64_t *")
        verdict = lib.mm_risk_equity(self.raw, equity_e8, pnl_total_e8, utc_day, now_ns, kill, until_ns)
        return EquityVerdict(int(verdict), bool(kill[0]), int(until_ns[0]))

    def deadline_ns(self, now_ns: int) -> int:
        """When a verdict may change by time alone; 2^63 - 1 = never."""
        return int(lib.mm_risk_deadline(self.raw, now_ns))

    def valid(self) -> bool:
        """The invariants."""
        return bool(lib.mm_risk_valid(self.raw))
