"""Rate limits on windows aligned to the clock, as the exchange counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LOCAL = "127.0.0.1"
"""Where requests come from unless told otherwise."""
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


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a venue: `orders` for each account, the others for each IP address.

    `connections` holds for streams and WebSocket API each. Who gets more than `refusals_max` refusals within one wait
    is banned for `ban_us`, then twice as long each time, up to `longest_ban_us`.
    """

    weight: RateLimit = RateLimit("REQUEST_WEIGHT", "MINUTE", 1, 6_000)
    orders: tuple[RateLimit, ...] = (RateLimit("ORDERS", "SECOND", 10, 100), RateLimit("ORDERS", "DAY", 1, 200_000))
    raw_requests: RateLimit = RateLimit("RAW_REQUESTS", "MINUTE", 5, 300_000)
    connections: RateLimit = RateLimit("CONNECTIONS", "MINUTE", 5, 300)
    refusals_max: int = 10
    ban_us: int = 2 * _INTERVAL_US["MINUTE"]
    longest_ban_us: int = 3 * _INTERVAL_US["DAY"]


DEFAULT_LIMITS = Limits()


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


class Penalty:
    """From refusals to bans: who keeps sending although told to wait is sent away for longer and longer."""

    __slots__ = ("_banned_until_us", "_bans", "_held_until_us", "_limits", "_refusals", "_wait_until_us")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._refusals = 0
        self._wait_until_us = 0
        self._bans = 0
        self._banned_until_us = 0
        self._held_until_us = 0

    def banned_until_us(self, now_us: int) -> int | None:
        """When the ban ends; None if there is none now."""
        return self._banned_until_us if now_us < self._banned_until_us else None

    def held_until_us(self, now_us: int) -> int | None:
        """Until when every request is refused with 429 whatever was used; None if that is not so."""
        return self._held_until_us if now_us < self._held_until_us else None

    def impose(self, until_us: int, *, is_ban: bool) -> None:
        """Refuse every request until then: as a ban, or as over a limit."""
        if is_ban:
            self._banned_until_us = max(self._banned_until_us, until_us)
        else:
            self._held_until_us = max(self._held_until_us, until_us)

    def refuse(self, now_us: int, wait_until_us: int) -> None:
        """Count a refusal that told the client to wait until then; one too many is a ban from now on."""
        if now_us >= self._wait_until_us:
            self._refusals = 0
        self._wait_until_us = max(self._wait_until_us, wait_until_us)
        self._refusals += 1
        if self._refusals > self._limits.refusals_max:
            ban_us = min(self._limits.ban_us << self._bans, self._limits.longest_ban_us)
            self._bans = min(self._bans + 1, 30)
            self._refusals = 0
            self._banned_until_us = self._wait_until_us = now_us + ban_us


class Visitor:
    """What one IP address has used, and how long it is banned: from REST and WebSocket API, and from streams."""

    __slots__ = ("api_connections", "penalty", "raw_requests", "stream_connections", "stream_penalty", "weight")

    def __init__(self, limits: Limits) -> None:
        self.weight = WindowCounter(limits.weight)
        self.raw_requests = WindowCounter(limits.raw_requests)
        self.stream_connections = WindowCounter(limits.connections)
        self.api_connections = WindowCounter(limits.connections)
        self.penalty = Penalty(limits)
        self.stream_penalty = Penalty(limits)


class Visitors:
    """Every IP address that ever came, on a venue that only this machine reaches."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._known: dict[str, Visitor] = {}

    def of(self, address: str) -> Visitor:
        """What an address has used."""
        visitor = self._known.get(address)
        if visitor is None:
            visitor = self._known[address] = Visitor(self._limits)
        return visitor
