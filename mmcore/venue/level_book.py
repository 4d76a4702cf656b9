"""An order book by level, kept from snapshot and diffs: plain Python, on purpose not the book of the bot."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from mmcore.venue.market import Side

Level = tuple[int, int]
"""(price_e8, qty_e8)"""


class LevelBook:
    """Quantity by price and side, each side's prices in order."""

    def __init__(self) -> None:
        self._qty: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self._prices: dict[Side, list[int]] = {Side.BUY: [], Side.SELL: []}

    def replace(self, side: Side, levels: Iterable[Level]) -> None:
        """Forget a side and take these levels."""
        self._qty[side] = {price: qty for price, qty in levels if qty}
        self._prices[side] = sorted(self._qty[side])

    def set(self, side: Side, price_e8: int, qty_e8: int) -> None:
        """Set a level's quantity; 0 takes it away, whether or not it was there."""
        quantities, prices = self._qty[side], self._prices[side]
        if qty_e8:
            if price_e8 not in quantities:
                insort(prices, price_e8)
            quantities[price_e8] = qty_e8
        elif quantities.pop(price_e8, None) is not None:
            del prices[bisect_left(prices, price_e8)]

    def quantity(self, side: Side, price_e8: int) -> int:
        """The level's quantity, 0 if it is not there."""
        return self._qty[side].get(price_e8, 0)

    def best(self, side: Side) -> Level | None:
        """The best level, None if the side is empty."""
        prices = self._prices[side]
        if not prices:
            return None
        price = prices[-1] if side is Side.BUY else prices[0]
        return price, self._qty[side][price]

    def levels(self, side: Side, limit: int) -> list[Level]:
        """Up to `limit` levels, best first."""
        prices, quantities = self._prices[side], self._qty[side]
        chosen = reversed(prices[-limit:]) if side is Side.BUY else prices[:limit]
        return [(price, quantities[price]) for price in chosen]
