"""The risk limits of one order by recounting everything, in Python's integers. Balances are taken to be endless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

BID, ASK = 0, 1
E8 = 10**8
SECOND = 10**9


@dataclass(eq=False)  # two orders alike are still two
class Order:
    side: int
    price_e8: int
    qty_e8: int
    state: str = "PENDING"  # PENDING, LIVE, UNKNOWN; gone when it is over
    executed_e8: int = 0

    @property
    def remaining_e8(self) -> int:
        return self.qty_e8 - self.executed_e8


@dataclass
class RiskTwin:
    limits: Mapping[str, int | float]
    tick_e8: int
    step_e8: int
    orders: list[Order] = field(default_factory=list)
    position_e8: int = 0
    sent: list[tuple[int, int, int, int]] = field(default_factory=list)  # now, side, price, qty
    trades: list[tuple[int, int, int]] = field(default_factory=list)  # now, price, qty
    rejects: list[int] = field(default_factory=list)
    backoff: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # until, delay
    observed_ns: int = 0

    # ---- observations

    def reject(self, would_match: bool, side: int, layer: int, now: int) -> None:
        if not would_match:
            self.rejects.append(now)
            return
        delay = min(2 * self.backoff.get((side, layer), (0, SECOND // 10))[1], 5 * SECOND)
        self.backoff[side, layer] = now + delay, delay

    def accept(self, side: int, layer: int) -> None:
        self.backoff.pop((side, layer), None)

    def observe(self, now: int) -> None:
        """The minute of the collar moves on with each observation."""
        self.observed_ns = max(self.observed_ns, now)

    # ---- what stands

    def open(self, side: int) -> list[Order]:
        return [order for order in self.orders if order.side == side]

    def worst(self, side: int) -> int:
        """Position in the direction of a side if all its orders fill."""
        return (self.position_e8 if side == BID else -self.position_e8) + sum(o.remaining_e8 for o in self.open(side))

    def notional_e16(self) -> int:
        return sum(order.price_e8 * order.remaining_e8 for order in self.orders)

    def reference(self, mark: int) -> Fraction:
        """Median of mid, last trade and the average of the last minute; mid without trades."""
        newest = self.observed_ns // SECOND
        recent = [(price, qty) for now, price, qty in self.trades if now // SECOND > newest - 60]
        if not recent:
            return Fraction(mark)
        vwap = sum(price * qty for price, qty in recent) // sum(qty for _, qty in recent)
        return Fraction(sorted((mark, recent[-1][0], vwap))[1])

    # ---- verdicts

    def verdict(self, bid_e8: int, ask_e8: int, side: int, layer: int, price: int, qty: int, now: int) -> set[str]:
        mark = -(-(bid_e8 + ask_e8) // 2)
        return (self._symbol(price, qty) | self._price(bid_e8, ask_e8, mark, side, price)
                | self._size(mark, side, price, qty) | self._count(side) | self._rate(side, layer, price, qty, now))

    def _symbol(self, price: int, qty: int) -> set[str]:
        found = {"PRICE_FILTER"} if price % self.tick_e8 else set()
        return found | ({"LOT_SIZE"} if qty % self.step_e8 else set())

    def _price(self, bid_e8: int, ask_e8: int, mark: int, side: int, price: int) -> set[str]:
        found = set()
        reference = self.reference(mark)
        if abs(price - reference) * 10_000 > Fraction(self.limits["collar_order_bps"]) * reference:
            found.add("COLLAR_ORDER")
        guard = int(self.limits["cross_guard_ticks"]) * self.tick_e8
        if price > ask_e8 - guard if side == BID else price < bid_e8 + guard:
            found.add("CROSS_GUARD")
        others = [order.price_e8 for order in self.open(1 - side)]
        if others and (price >= min(others) if side == BID else price <= max(others)):
            found.add("SELF_TRADE")
        return found

    def _size(self, mark: int, side: int, price: int, qty: int) -> set[str]:
        limits, found = self.limits, set()
        if qty > limits["order_qty_max_e8"]:
            found.add("ORDER_QTY")
        if price * qty > int(limits["order_notional_max_e8"]) * E8:
            found.add("ORDER_NOTIONAL")
        worst = self.worst(side) + qty
        if worst > limits["position_max_e8"] or worst * mark > int(limits["position_notional_max_e8"]) * E8:
            found.add("POSITION_LIMIT")
        share = Fraction(limits["reducing_pct"]) / 100
        large = (abs(self.position_e8) >= share * int(limits["position_max_e8"])
                 or abs(self.position_e8) * mark >= share * int(limits["position_notional_max_e8"]) * E8)
        if large and (self.position_e8 >= 0 if side == BID else self.position_e8 <= 0):
            found.add("REDUCING")
        if self.notional_e16() + price * qty > int(limits["open_notional_max_e8"]) * E8:
            found.add("OPEN_NOTIONAL")
        return found

    def _count(self, side: int) -> set[str]:
        limits, found = self.limits, set()
        if len(self.open(side)) >= limits["open_orders_max"]:
            found.add("OPEN_ORDERS")
        if sum(order.state == "PENDING" for order in self.open(side)) >= limits["in_flight_max"]:
            found.add("IN_FLIGHT")
        unknown = [order for order in self.orders if order.state == "UNKNOWN"]
        here = any(order.side == side for order in unknown)
        if len(unknown) > limits["unknown_max"] or (len(unknown) == limits["unknown_max"] and here):
            found.add("UNKNOWN_ORDER")
        return found

    def _rate(self, side: int, layer: int, price: int, qty: int, now: int) -> set[str]:
        limits, found = self.limits, set()
        if sum(now - at < SECOND for at, *_ in self.sent) >= limits["orders_per_1s_max"]:
            found.add("RATE_LIMIT")
        if any(now - at < limits["duplicate_window_ns"] and what == [side, price, qty] for at, *what in self.sent):
            found.add("DUPLICATE")
        if now < self.backoff.get((side, layer), (0, 0))[0]:
            found.add("WOULD_MATCH")
        return found

    def rejects_halt(self, now: int) -> bool:
        return sum(now - at < 60 * SECOND for at in self.rejects) >= self.limits["rejects_per_min_max"]
