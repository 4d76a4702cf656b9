"""What a strategy is: a class with `compute_quotes(book, position, signal) -> QuoteDecision`.

Prices and quantities are ints that count 1e-8 of the quote and base asset: 100.5 is 10_050_000_000.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol, TypeAlias

Level: TypeAlias = tuple[int, int]
"""(price_e8, qty_e8)."""


class Side(enum.IntEnum):
    """Numbers as in the C library."""

    BID = 0
    ASK = 1


@dataclass(frozen=True, slots=True)
class Signal:
    """What the book and the tape say; 0 while a signal has not seen enough yet."""

    alpha: float
    """(microprice - mid) / (spread / 2), -1 .. 1; above 0 the price leans upwards."""
    volatility: float
    """Standard deviation of mid, as a fraction of it per square root of a second."""
    imbalance: float
    """(bids - asks) / (bids + asks) over the first levels, -1 .. 1, own quotes taken out."""
    trade_flow: float
    """(buys - sells) / (buys + sells) of the aggressors, -1 .. 1."""
    ofi: float
    """Order-flow imbalance at the best prices, -1 .. 1; above 0 is buying."""
    microprice_e8: float
    """(bid * ask quantity + ask * bid quantity) / (both quantities)."""


@dataclass(frozen=True, slots=True)
class QuoteDecision:
    """Wanted quotes of both sides, at most 8 each; an empty side is not quoted.

    They need be neither on the tick nor behind the best price: the engine rounds bids down, asks up and quantities
    down, keeps both off the other side of the book, and puts each order to the risk limits.
    """

    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()

    @classmethod
    def of(cls, bid: Level | None = None, ask: Level | None = None) -> QuoteDecision:
        """At most one quote a side."""
        return cls(() if bid is None else (bid,), () if ask is None else (ask,))


class BookView(Protocol):
    """The order book at one moment. Levels are (price_e8, qty_e8), best first; the nearest 64 a side are there."""

    @property
    def tick_e8(self) -> int:
        """Step of prices."""

    @property
    def step_e8(self) -> int:
        """Step of quantities."""

    @property
    def maker_fee_e8(self) -> int:
        """Maker fee as the run began, as a fraction of a fill's worth: 10 bps = 100_000."""

    @property
    def best_bid(self) -> Level | None:
        """None when there are no bids."""

    @property
    def best_ask(self) -> Level | None:
        """None when there are no asks."""

    @property
    def mid_e8(self) -> int | None:
        """Halfway between the best prices, rounded down; None without both sides."""

    @property
    def spread_e8(self) -> int | None:
        """Best ask less best bid; None without both sides."""

    def depth(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The first `levels` bids and asks."""

    def imbalance(self, levels: int) -> float:
        """(bids - asks) / (bids + asks) of the quantities of the first levels, -1 .. 1; 0 when there are none."""

    def vwap(self, side: Side, levels: int) -> int | None:
        """Volume-weighted price_e8 of a side's first levels, rounded down; None when there are none."""


class StrategyParameters(Protocol):
    """The section `strategy` of the settings; config/README.md says what each means."""

    @property
    def name(self) -> str: ...
    @property
    def order_qty_e8(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def layer_step_bps(self) -> float: ...
    @property
    def min_spread_bps(self) -> float: ...
    @property
    def max_spread_bps(self) -> float: ...
    @property
    def vol_mult(self) -> float: ...
    @property
    def skew(self) -> float: ...
    @property
    def alpha_weight(self) -> float: ...
    @property
    def imbalance_weight(self) -> float: ...
    @property
    def max_position_e8(self) -> int: ...
    @property
    def allow_negative_edge(self) -> bool: ...
    @property
    def refresh_tolerance_bps(self) -> float: ...
    @property
    def timeout_ms(self) -> int: ...
    @property
    def risk_factor(self) -> float: ...
    @property
    def kappa(self) -> float: ...
    @property
    def horizon_s(self) -> float: ...
    @property
    def order_amount_shape_factor(self) -> float: ...
    @property
    def min_spread(self) -> float: ...


class MarketMaker(ABC):
    """A strategy. One thread calls it, one decision at a time."""

    def __init__(self, *, settings: StrategyParameters) -> None:
        """settings: the section `strategy`. Called once, before the market is known."""
        self.settings = settings

    @abstractmethod
    def compute_quotes(self, book: BookView, position: int, signal: Signal) -> QuoteDecision:
        """The quotes wanted now.

        position: base held less `inventory.target`, in 1e-8, below 0 when short of it.

        Called after a change of the market and only while quoting is allowed, with both sides of the book present. It
        must return within `strategy.timeout_ms`; while it is at fault (too late, an exception, a decision that is
        none) nothing is quoted.
        """
