"""An order book as plainly as it can be written: two dicts, sorted whenever somebody asks.

It is the oracle of mmcore.core.book and shares nothing with it. Prices and quantities are ints that count 1e-8.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

INT64_MAX = 2**63 - 1
BID, ASK = 0, 1


class BookTwin:
    def __init__(self, levels_max: int) -> None:
        self.levels_max = levels_max
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.horizons: list[int | None] = [None, None]
        self.updates = self.deletes = self.deletes_absent = self.evicted = 0

    # ---- Change --------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        self.sides = ({}, {})
        self.horizons = [None, None]

    def snapshot(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]], levels_asked: int) -> None:
        self.clear()
        if not all(map(_is_valid, bids + asks)):
            return
        for side, levels in ((BID, bids), (ASK, asks)):
            for price, qty in levels:
                self._put(side, price, qty)
            if levels and len(levels) >= levels_asked:
                prices = [price for price, _ in levels]
                self._limit(side, min(prices) if side == BID else max(prices))

    def apply(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.updates += len(bids) + len(asks)
        for side, levels in ((BID, bids), (ASK, asks)):
            for price, qty in levels:
                if not _is_valid((price, qty)):
                    self.clear()
                    return
                self.deletes += qty == 0
                self.deletes_absent += qty == 0 and price not in self.sides[side]
                self._put(side, price, qty)

    def _put(self, side: int, price: int, qty: int) -> None:
        levels = self.sides[side]
        if qty:
            levels[price] = qty
        else:
            levels.pop(price, None)
        if len(levels) > self.levels_max:
            farthest = min(levels) if side == BID else max(levels)
            del levels[farthest]
            self.evicted += 1
            self._limit(side, farthest + (1 if side == BID else -1))

    def _limit(self, side: int, price: int) -> None:
        if side == BID and price == 1:
            return  # nothing can lie beyond the least price: the side is known wholly
        old = self.horizons[side]
        nearer = max if side == BID else min
        self.horizons[side] = price if old is None else nearer(old, price)

    # ---- Reading -------------------------------------------------------------------------------------------------

    def dump(self, side: int) -> list[tuple[int, int]]:
        return sorted(self.sides[side].items(), reverse=side == BID)

    def depth(self, side: int, count: int) -> list[tuple[int, int]]:
        horizon = self.horizons[side]
        known = [
            (price, qty) for price, qty in self.dump(side)
            if horizon is None or (price >= horizon if side == BID else price <= horizon)
        ]  # fmt: skip
        return known[:count]

    def best(self, side: int) -> tuple[int, int] | None:
        first = self.depth(side, 1)
        return first[0] if first else None

    def _both(self) -> tuple[int, int] | None:
        bid, ask = self.best(BID), self.best(ASK)
        return (bid[0], ask[0]) if bid and ask else None

    def mid(self) -> int | None:
        both = self._both()
        return sum(both) // 2 if both else None

    def spread(self) -> int | None:
        both = self._both()
        return both[1] - both[0] if both else None

    def crossed(self) -> int:
        spread = self.spread()
        return 0 if spread is None or spread > 0 else 1 if spread == 0 else 2

    def qty_sum(self, side: int, count: int) -> tuple[int, bool]:
        total = sum(qty for _, qty in self.depth(side, count))
        return min(total, INT64_MAX), total > INT64_MAX

    def imbalance(self, count: int) -> float | None:
        bids, asks = self.qty_sum(BID, count)[0], self.qty_sum(ASK, count)[0]
        return float(bids - asks) / float(bids + asks) if bids + asks else None

    def vwap(self, side: int, count: int) -> int | None:
        levels = self.depth(side, count)
        total = sum(qty for _, qty in levels)
        return _divide(sum(price * qty for price, qty in levels), total, ROUND_FLOOR) if total else None

    def fill_price(self, side: int, qty: int) -> int | None:
        left, cost = qty, 0
        for price, there in self.depth(side, len(self.sides[side])):
            taken = min(there, left)
            cost += price * taken
            left -= taken
        return None if left else _divide(cost, qty, ROUND_CEILING if side == ASK else ROUND_FLOOR)


def _is_valid(level: tuple[int, int]) -> bool:
    return level[0] > 0 and level[1] >= 0


def _divide(numerator: int, denominator: int, rounding: str) -> int:
    with localcontext(prec=120):
        return int((Decimal(numerator) / Decimal(denominator)).to_integral_value(rounding=rounding))
