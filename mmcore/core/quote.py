"""The C strategies and the fitting of quotes as the engine has them, one decision a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcore._native import ffi, lib
from mmcore.errors import CoreError

Level = tuple[int, int]
"""(price_e8, qty_e8)."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Wanted quotes, best first; a side without any has the reasons why in its verdict, else 0."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    bid_verdict: int
    ask_verdict: int


class QuoteConfig:
    """Parameters of the built-in strategies, checked, with what is derived from them. One thread.

    `inventory_skew` keeps beside them what followed from the last position.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        """values: fields of `mm_quote_config`. Raises CoreError naming the one that is outside its range."""
        self.raw: Any = ffi.new("mm_quote_config *", dict(values))
        bad_field = ffi.new("char **")
        status = lib.mm_quote_derive(self.raw, bad_field)
        if status < 0:
            raise CoreError(status, f"strategy.{ffi.string(bad_field[0]).decode()}")
        self.stance: Any = ffi.new("mm_quote_stance *")


class QuoteInput:
    """What a strategy in C is shown of the market."""

    def __init__(self, *, bid: Level, ask: Level, tick_e8: int, step_e8: int, maker_fee_e8: int = 0,
                 position_e8: int = 0, alpha: float = 0.0, volatility: float = 0.0, imbalance: float = 0.0,
                 volatility_ready: bool = True) -> None:
        """bid, ask: the best levels. maker_fee_e8: fraction, 10 bps = 100_000. tick_e8, step_e8: above 0."""
        self._symbol = ffi.new("mm_symbol *", {"tick_e8": tick_e8, "step_e8": step_e8, "maker_fee_e8": maker_fee_e8})
        ready = lib.MM_SIGNAL_BOOK | (lib.MM_SIGNAL_VOLATILITY if volatility_ready else 0)
        self.raw: Any = ffi.new("mm_quote_input *", {
            "symbol": self._symbol,
            "top": {"bid_price_e8": bid[0], "bid_qty_e8": bid[1], "ask_price_e8": ask[0], "ask_qty_e8": ask[1]},
            "signal": {"alpha": alpha, "volatility": volatility, "imbalance": imbalance, "ready": ready},
            "position_e8": position_e8,
        })
        for name, step in (("tick", tick_e8), ("lot", step_e8)):
            status = lib.mm_grid_init(ffi.addressof(self.raw, name), step)
            if status < 0:
                raise CoreError(status, f"{name} {step}: 1 to 2^62")


def inventory_skew(config: QuoteConfig, given: QuoteInput) -> Quotes:
    """The engine's `inventory_skew`."""
    raw = ffi.new("mm_quotes *")
    lib.mm_quote_inventory_skew(config.raw, config.stance, given.raw, raw)
    return _quotes(raw)


def avellaneda_stoikov(config: QuoteConfig, given: QuoteInput) -> Quotes:
    """The engine's `avellaneda_stoikov`."""
    raw = ffi.new("mm_quotes *")
    lib.mm_quote_avellaneda_stoikov(config.raw, given.raw, raw)
    return _quotes(raw)


def fit(given: QuoteInput, cross_guard_ticks: int, bids: Sequence[Level], asks: Sequence[Level]) -> Quotes:
    """What the engine makes of wanted quotes (at most 8 a side): on tick and lot, best first, behind the guard."""
    raw = ffi.new("mm_quotes *", {"bid_count": len(bids), "ask_count": len(asks), "bids": list(bids),
                                  "asks": list(asks)})
    lib.mm_quote_fit(given.raw, cross_guard_ticks, raw)
    return _quotes(raw)


def _quotes(raw: Any) -> Quotes:
    return Quotes(_levels(raw.bids, raw.bid_count), _levels(raw.asks, raw.ask_count), int(raw.bid_verdict),
                  int(raw.ask_verdict))


def _levels(raw: Any, count: int) -> tuple[Level, ...]:
    return tuple((int(raw[i].price_e8), int(raw[i].qty_e8)) for i in range(count))
