"""A market maker of one's own in thirty lines. Run it with

    python -m mmcore --strategy.name examples/py/simple_mm.py:SimpleMarketMaker

It quotes one bid and one ask around a fair price: the mid, leaning to where the trades go, and away from the position
it already has. Everything the engine can do by itself is left to it: rounding to tick and lot, not crossing, risk
limits, and keeping a resting order that is close enough.
"""

from __future__ import annotations

from mmcore.strategy.base import BookView, MarketMaker, QuoteDecision, Signal

BPS = 1e-4


class SimpleMarketMaker(MarketMaker):
    """Takes its size, width, skew and largest position from the section `strategy` of the settings."""

    def compute_quotes(self, book: BookView, position: int, signal: Signal) -> QuoteDecision:
        mid = book.mid_e8
        if mid is None:
            return QuoteDecision()
        half = mid * self.settings.min_spread_bps * BPS / 2
        held = max(-1.0, min(1.0, position / self.settings.max_position_e8))
        fair = mid + (signal.trade_flow * self.settings.alpha_weight - held * self.settings.skew) * half
        size = self.settings.order_qty_e8
        return QuoteDecision.of(
            bid=(int(fair - half), size) if held < 1.0 else None,
            ask=(int(fair + half), size) if held > -1.0 else None,
        )
