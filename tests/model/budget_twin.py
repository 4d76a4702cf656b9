"""The budget by counting for every window of the exchange's clock apart. Times in ns, Python's integers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

SECOND = 10**9
EDGE = SECOND // 2
SPANS = {"orders_10s": 10 * SECOND, "orders_day": 86_400 * SECOND, "weight_1m": 60 * SECOND, "raw_5m": 300 * SECOND}
ORDERS = ("orders_10s", "orders_day")


@dataclass
class BudgetTwin:
    limits: dict[str, int]
    pct: int
    offset: int = 0
    used: dict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    sends: list[int] = field(default_factory=list)  # local times, nothing given back
    ceilings: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.ceilings = dict(self.limits)

    def index(self, name: str, now: int) -> int:
        return (now + self.offset) // SPANS[name]

    def into(self, name: str, now: int) -> int:
        return (now + self.offset) % SPANS[name]

    # ---- what happens

    def add(self, name: str, count: int, now: int) -> None:
        """Close to an edge it may be counted in the window beyond it, so it is in both."""
        at = self.index(name, now)
        self.used[name, at] += count
        if self.into(name, now) < EDGE:
            self.used[name, at - 1] += count
        if self.into(name, now) >= SPANS[name] - EDGE:
            self.used[name, at + 1] += count

    def lower(self, name: str, to: int, now: int) -> None:
        at = self.index(name, now)
        self.used[name, at] = max(to, 0)
        self.used[name, at + 1] = min(self.used[name, at + 1], self.used[name, at])

    def sent(self, operation: str, now: int) -> None:
        if operation in ("PLACE", "REPLACE"):
            self.sends.append(now)
            for name in ORDERS:
                self.add(name, 1, now)
        self.read(4 if operation in ("AMEND", "QUERY") else 0, now)

    def read(self, weight: int, now: int) -> None:
        self.add("weight_1m", weight, now)
        self.add("raw_5m", 1, now)

    def not_sent(self, operation: str, sent: int, now: int) -> None:
        order = int(operation in ("PLACE", "REPLACE"))
        counts = {"orders_10s": order, "orders_day": order, "raw_5m": 1,
                  "weight_1m": 4 if operation in ("AMEND", "QUERY") else 0}
        for name, count in counts.items():
            if self.index(name, sent) == self.index(name, now):
                self.lower(name, self.used[name, self.index(name, now)] - count, now)

    def failed(self, operation: str, now: int) -> None:
        if operation not in ("AMEND", "QUERY"):
            self.add("weight_1m", 1, now)

    def fill(self, maker: bool, now: int) -> None:
        for name in ORDERS:
            self.lower(name, self.used[name, self.index(name, now)] - (5 if maker else 1), now)

    def said(self, counts: Mapping[str, int], limits: Mapping[str, int], now: int, orders: int, weight: int) -> None:
        for name in SPANS:
            in_flight = weight if name == "weight_1m" else orders
            if limits[name] > 0:
                self.limits[name] = limits[name]
            if counts[name] >= 0 and EDGE <= self.into(name, now) < SPANS[name] - EDGE:
                self.used[name, self.index(name, now)] = counts[name] + in_flight
                self.lower(name, counts[name] + in_flight, now)

    # ---- what is left

    def left(self, name: str, empty: bool, now: int) -> int:
        at, share = self.index(name, now), max(self.limits[name] * self.pct // 100, 1)
        at_once = max(share // 5, min(share, 2))
        reserve = min(max(share // 5, 2), share - at_once)
        line = (share - at_once - reserve) * self.into(name, now) // SPANS[name]
        left = at_once + line + (reserve if empty else 0) - self.used[name, at]
        return min(left, share - self.used[name, at - 1]) if self.into(name, now) < EDGE else left

    def may_ask(self, query: bool, weight: int, now: int) -> bool:
        pct = 85 if query else 70
        return all((self.used[name, self.index(name, now)] + more) * 100 <= self.limits[name] * pct
                   for name, more in (("weight_1m", weight), ("raw_5m", 1)))

    def orders(self, empty: bool, now: int) -> int:
        recent = sum(now - at < 10 * SECOND for at in self.sends)
        today = sum(self.index("orders_day", at) == self.index("orders_day", now) for at in self.sends)
        if recent >= self.ceilings["orders_10s"] or not self.may_ask(False, 1, now):
            return 0
        left = [self.left(name, empty, now) for name in ORDERS]
        return max(min(*left, self.ceilings["orders_day"] - today), 0)
