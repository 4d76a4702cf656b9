"""The strategies that come with mmcore, as classes to build upon.

`strategy.name: inventory_skew` and `avellaneda_stoikov` run in C, without Python. These classes call the same C
functions, so a strategy that only adds to one of them starts from the same numbers.
"""

from __future__ import annotations

from typing import Any

from mmcore.core import quote as core_quote
from mmcore.strategy.base import BookView, MarketMaker, QuoteDecision, Signal, StrategyParameters


class _BuiltIn(MarketMaker):
    """A strategy whose quotes are computed in C."""

    def __init__(self, *, settings: StrategyParameters) -> None:
        """Raises CoreError naming a setting outside its range."""
        super().__init__(settings=settings)
        self._config = core_quote.QuoteConfig(_values(settings))

    def _input(self, book: BookView, position: int, signal: Signal) -> core_quote.QuoteInput | None:
        bid, ask = book.best_bid, book.best_ask
        if bid is None or ask is None:
            return None
        return core_quote.QuoteInput(
            bid=bid, ask=ask, tick_e8=book.tick_e8, step_e8=book.step_e8, maker_fee_e8=book.maker_fee_e8,
            position_e8=position, alpha=signal.alpha, volatility=signal.volatility, imbalance=signal.imbalance,
            volatility_ready=signal.volatility > 0.0)


class InventorySkew(_BuiltIn):
    """Quotes around mid, moved by signals and against the position, as wide as the volatility asks."""

    def compute_quotes(self, book: BookView, position: int, signal: Signal) -> QuoteDecision:
        given = self._input(book, position, signal)
        return QuoteDecision() if given is None else _decision(core_quote.inventory_skew(self._config, given))


class AvellanedaStoikov(_BuiltIn):
    """Quotes around the reservation price of Avellaneda and Stoikov; none before the volatility is known."""

    def compute_quotes(self, book: BookView, position: int, signal: Signal) -> QuoteDecision:
        given = self._input(book, position, signal)
        return QuoteDecision() if given is None else _decision(core_quote.avellaneda_stoikov(self._config, given))


def _decision(quotes: core_quote.Quotes) -> QuoteDecision:
    return QuoteDecision(quotes.bids, quotes.asks)


def _values(s: StrategyParameters) -> dict[str, Any]:
    return {
        "order_qty_e8": s.order_qty_e8, "max_position_e8": s.max_position_e8, "layers": s.layers,
        "layer_step_bps": s.layer_step_bps, "min_spread_bps": s.min_spread_bps, "max_spread_bps": s.max_spread_bps,
        "vol_mult": s.vol_mult, "skew": s.skew, "alpha_weight": s.alpha_weight,
        "imbalance_weight": s.imbalance_weight, "allow_negative_edge": int(s.allow_negative_edge),
        "risk_factor": s.risk_factor, "kappa": s.kappa, "horizon_s": s.horizon_s,
        "order_amount_shape_factor": s.order_amount_shape_factor, "min_spread_pct": s.min_spread,
    }
