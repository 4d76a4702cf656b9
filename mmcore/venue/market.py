"""The seam between the exchange and the market it runs on.

A `Market` owns the book: it matches, publishes stream messages and says when it next has something to do. It knows
nothing of accounts, balances, signatures or sockets; the exchange knows nothing of how prices arise. Units: `_e8`
counts 1e-8 of the asset, `_us` is microseconds of the venue clock. All calls come from one thread; no call blocks.
"""

from __future__ import annotations

import enum
from collections.abc import Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mmcore.venue.tape import Tape


class Side(enum.Enum):
    """Which way an order trades the base asset."""

    BUY = "BUY"
    SELL = "SELL"


class OrderKind(enum.Enum):
    """Order types this venue knows."""

    LIMIT = "LIMIT"
    LIMIT_MAKER = "LIMIT_MAKER"
    MARKET = "MARKET"


class TimeInForce(enum.Enum):
    """How long an order's remainder lives."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class StpMode(enum.Enum):
    """What happens where an order reaches a resting order of its own account. The taker's mode rules."""

    NONE = "NONE"
    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"
    DECREMENT = "DECREMENT"


@dataclass(frozen=True, slots=True)
class PriceRange:
    """The prices, ends included, at which an order may trade as taker."""

    lowest_e8: int
    highest_e8: int

    def holds(self, price_e8: int) -> bool:
        """Whether the price is inside."""
        return self.lowest_e8 <= price_e8 <= self.highest_e8


@dataclass(frozen=True, slots=True)
class NewOrder:
    """An order that has passed filters and balance checks. `price_e8` is 0 for MARKET. As a taker that comes to a price
    outside `allowed` (None: any) it expires.
    """

    order_id: int
    owner: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_e8: int
    qty_e8: int
    stp: StpMode = StpMode.NONE
    allowed: PriceRange | None = None


@dataclass(frozen=True, slots=True)
class Prevention:
    """A match of two orders of one account that did not happen. `qty_e8` would have traded at `price_e8`; `taker_e8`
    and `maker_e8` are what the two orders lost instead.
    """

    owner: str
    taker_order_id: int
    maker_order_id: int
    price_e8: int
    qty_e8: int
    taker_e8: int
    maker_e8: int


def prevented(mode: StpMode, taker_left_e8: int, maker_left_e8: int) -> tuple[int, int]:
    """What taker and maker lose when they meet under a mode that is not NONE."""
    if mode is StpMode.EXPIRE_TAKER:
        return taker_left_e8, 0
    if mode is StpMode.EXPIRE_MAKER:
        return 0, maker_left_e8
    if mode is StpMode.EXPIRE_BOTH:
        return taker_left_e8, maker_left_e8
    less_e8 = min(taker_left_e8, maker_left_e8)
    return less_e8, less_e8


@dataclass(frozen=True, slots=True)
class Execution:
    """One side of one trade. A trade between two accounts gives two of these with the same `trade_id`."""

    trade_id: int
    order_id: int
    owner: str
    side: Side
    price_e8: int
    qty_e8: int
    maker: bool
    time_us: int


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """What became of a new order.

    `executions` are those of both sides where an account owns them, with the matches that self-trade prevention kept
    from happening, in the order of matching. `resting_e8` stays on the book, `expired_e8` is the remainder of an IOC,
    FOK or MARKET order, or of any that came to a price `out_of_range`; what prevention took is in neither.
    `would_match` is a refused LIMIT_MAKER: then nothing else happened.
    """

    executions: tuple[Execution | Prevention, ...]
    resting_e8: int
    expired_e8: int
    would_match: bool
    out_of_range: bool = False


class Wire(enum.Enum):
    """How a stream is written: JSON with times in milliseconds or in microseconds, or SBE."""

    JSON = "json"
    JSON_MICROSECOND = "json-microsecond"
    SBE = "sbe"


class Feed(NamedTuple):
    """What a connection subscribes to: a stream's name ("btcusdt@depth@100ms"), written in one way."""

    stream: str
    wire: Wire


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """One market-data message: the stream's name and the payload alone, text for JSON and bytes for SBE."""

    stream: str
    data: str | bytes
    wire: Wire = Wire.JSON


class Market(Protocol):
    """What the exchange asks of a market."""

    symbol: str
    tick_e8: int
    step_e8: int
    tape: Tape

    def start(self, now_us: int) -> None:
        """Begin: at the first subscription to a depth stream (recorded) or when the venue starts (synthetic)."""

    def want(self, feeds: Set[Feed]) -> None:
        """From now on these feeds have takers, and no others: what nobody takes need not be made."""

    def next_due_us(self) -> int | None:
        """When `advance` should next be called; None means the market is silent for good."""

    def advance(self, now_us: int) -> tuple[list[StreamMessage], list[Execution]]:
        """Do all that is due up to `now_us`, in order.

        Executions are only those of account-owned orders (owner without the prefix "agent:").
        """

    def place(self, order: NewOrder, now_us: int) -> PlaceResult:
        """Match `order` against the book and rest what its type lets rest."""

    def cancel(self, order_id: int, now_us: int) -> int | None:
        """Take a resting order off: the remaining quantity, or None if it does not rest."""

    def reduce(self, order_id: int, remaining_e8: int, now_us: int) -> bool:
        """Make less of a resting order, which keeps its place: `remaining_e8` is left of it, above 0 and less than
        now. False if it does not rest.
        """

    def depth(self, limit: int) -> tuple[int, list[tuple[int, int]], list[tuple[int, int]]] | None:
        """(lastUpdateId, bids, asks), best first, (price_e8, qty_e8) each; None while there is no book yet."""

    def reference_price_e8(self) -> int:
        """The last trade's price: reference of the percent-price filters and of MARKET notionals."""
