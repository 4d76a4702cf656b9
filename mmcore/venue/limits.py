"""Rate limits on windows aligned to the clock, as the exchange counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_INTERVAL_US = {"SECOND": 1_000_000, "MINUTE": 60_000_000, "HOUR": 3_600_000_000, "DAY": 86_400_000_000}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` per `interval_num` intervals."""

    kind: str
    interval: str
    interval_num: int
    limit: int

    @property
    def window_us(self) -> int:
        """The window's length in microseconds."""
        return _INTERVAL_US[self.interval] * self.interval_num

    @property
    def suffix(self) -> str:
        """As in `X-MBX-ORDER-COUNT-10S`."""
        return f"{self.interval_num}{self.interval[0]}"

    def describe(self) -> dict[str, Any]:
        """Its entry in exchangeInfo."""
        return {
            "rateLimitType": self.kind,
            "interval": self.interval,
            "intervalNum": self.interval_num,
            "limit": self.limit,
        }


REQUEST_WEIGHT = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6_000)
ORDER_LIMITS = (RateLimit("ORDERS", "SECOND", 10, 100), RateLimit("ORDERS", "DAY", 1, 200_000))
RAW_REQUESTS = RateLimit("RAW_REQUESTS", "MINUTE", 5, 300_000)


class WindowCounter:
    """How much of one limit the current window has used. A window begins where its length divides the time."""

    __slots__ = ("_count", "_window", "limit")

    def __init__(self, limit: RateLimit) -> None:
        self.limit = limit
        self._window = -1
        self._count = 0

    def count(self, now_us: int) -> int:
        """Used in the window that holds `now_us`."""
        window = now_us // self.limit.window_us
        if window != self._window:
            self._window, self._count = window, 0
        return self._count

    def add(self, now_us: int, amount: int) -> None:
        """Use more, or give back with a negative amount; never below zero."""
        self._count = max(0, self.count(now_us) + amount)

    def exceeded_by(self, now_us: int, amount: int) -> bool:
        """Whether `amount` more would break the limit."""
        return self.count(now_us) + amount > self.limit.limit

    def resets_at_us(self, now_us: int) -> int:
        """When the next window begins."""
        return (now_us // self.limit.window_us + 1) * self.limit.window_us

    def describe(self, now_us: int) -> dict[str, Any]:
        """Its entry in `rateLimits`, with the count."""
        return {**self.limit.describe(), "count": self.count(now_us)}
