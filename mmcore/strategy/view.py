"""The book as a strategy sees it: the levels copied for one question, so that they stand still while it thinks."""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.core.loop import QuoteQuestion
from mmcore.strategy.base import Level, Side


@dataclass(frozen=True, slots=True)
class SnapshotView:
    """A `BookView` over copied levels, best first. Sums are exact."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    tick_e8: int
    step_e8: int
    maker_fee_e8: int

    @classmethod
    def of(cls, question: QuoteQuestion) -> SnapshotView:
        """The book of a question."""
        return cls(question.bids, question.asks, question.tick_e8, question.step_e8, question.maker_fee_e8)

    @property
    def best_bid(self) -> Level | None:
        """None when there are no bids."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        """None when there are no asks."""
        return self.asks[0] if self.asks else None

    @property
    def mid_e8(self) -> int | None:
        """Halfway between the best prices, rounded down; None without both sides."""
        return (self.bids[0][0] + self.asks[0][0]) // 2 if self.bids and self.asks else None

    @property
    def spread_e8(self) -> int | None:
        """Best ask less best bid; None without both sides."""
        return self.asks[0][0] - self.bids[0][0] if self.bids and self.asks else None

    def depth(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The first `levels` bids and asks; fewer when the sides have fewer."""
        count = max(levels, 0)
        return self.bids[:count], self.asks[:count]

    def imbalance(self, levels: int) -> float:
        """(bids - asks) / (bids + asks) of the quantities of the first levels, -1 .. 1; 0 when there are none."""
        bid_qty, ask_qty = (sum(qty for _, qty in side) for side in self.depth(levels))
        total = bid_qty + ask_qty
        return (bid_qty - ask_qty) / total if total else 0.0

    def vwap(self, side: Side, levels: int) -> int | None:
        """Volume-weighted price_e8 of a side's first levels, rounded down; None when there are none."""
        chosen = self.depth(levels)[side]
        total = sum(qty for _, qty in chosen)
        return sum(price * qty for price, qty in chosen) // total if total else None
