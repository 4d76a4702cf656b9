"""The seam between the host and an exchange.

Order entry of one's own is a class derived from `ExchangeClient`, as `RestOrders` is; no setting chooses another, a
program that puts the host's parts together hands it to `OrdersThread`. Its calls hand a request over and return at
once; what became of it comes out of `poll`. Everything that crosses the seam is a plain record. Money, prices and
quantities are integers that count 1e-8 (suffix `_e8`); times are milliseconds since the epoch by the exchange's clock
(`_ms`) or nanoseconds of the local monotonic clock (`_ns`).
"""

from __future__ import annotations

import abc
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Final

from mmcore.errors import ExitCode, MmcoreError
from mmcore.units import format_e8

_ASSET_BYTES_MAX: Final = 15
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")


def printable(text: str, limit: int = 200) -> str:
    """A foreign text as one line of plain ASCII, cut to `limit` characters: safe in logs and messages."""
    cut = text[:limit] + "..." if len(text) > limit else text
    return _UNPRINTABLE.sub("?", cut)


def is_asset(name: str) -> bool:
    """Whether this can be an asset of ours: 1 to 15 characters of ASCII, as much as the core holds. A longer name would
    have to be cut, and could then be another asset's."""
    return name.isascii() and 0 < len(name) <= _ASSET_BYTES_MAX


class SymbolError(MmcoreError):
    """The configured symbol cannot be traded by this bot; another one may."""

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.USAGE


class Side(enum.Enum):
    """Side of an order, spelled as the exchange spells it."""

    BUY = "BUY"
    SELL = "SELL"


class Operation(enum.Enum):
    """What was asked about an order."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    AMEND = "amend"
    """To make an order smaller where it rests."""
    REPLACE = "replace"
    """To cancel an order and, only if that succeeded, place another."""


class Outcome(enum.Enum):
    """What became of a request, or what happened to an order since."""

    ACKED = "acked"
    """The order rests; `executed_e8` of it may have traded."""
    REJECTED = "rejected"
    """The exchange refused it: a new order never reached the book, one to be amended is as it was."""
    FILLED = "filled"
    """The order has traded: the whole of it when `executed_e8 == qty_e8`. With `trade_id >= 0` this is one trade."""
    CANCELED = "canceled"
    """The order is off the book because we asked."""
    EXPIRED = "expired"
    """The order is off the book without our asking."""
    CANCEL_REJECTED = "cancel_rejected"
    """The cancel did nothing. By itself this says nothing about the order."""
    NOT_FOUND = "not_found"
    """A query knows no such order. Queries lag, so by itself this proves nothing."""
    SENT = "sent"
    """The request's bytes left this machine at `sent_ns`; what became of it is still to come."""
    NOT_SENT = "not_sent"
    """Nothing left this machine; `OrderResponse.cause` says why."""
    UNKNOWN = "unknown"
    """Nobody knows: neither success nor failure. The order counts as live until it is resolved."""


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A request about one order: to place, cancel, query, amend or replace it."""

    client_id: str
    """Our own id of the order, never used twice; of a replacement: the new order's."""
    symbol: str
    side: Side
    price_e8: int
    qty_e8: int
    """Of an amend: the order's new whole quantity."""
    exchange_id: int | None = None
    """The exchange's id, None while it is not known; of a replacement: that of the order that goes."""
    wire: bytes | memoryview = field(default=b"", repr=False)
    """The request as the gate encoded it, for an exchange whose encoding lives in C. It may hold a signature, so it is
    never shown."""
    ticket: int = 0
    """Stands in every response to this request."""


class Cause(enum.Enum):
    """Why a request did not leave this machine."""

    BANNED = "banned"
    """The exchange asked everybody here to wait."""
    LIMIT = "limit"
    """Of requests or orders: the exchange's, or our share of it."""
    CLOCK = "clock"
    """The exchange's time is not known."""
    LATE = "late"
    """It waited too long for requests before it."""
    CLOSED = "closed"
    """There is no connection any more."""


@dataclass(frozen=True, slots=True)
class OrderResponse:
    """One outcome. Fields the exchange did not state are 0, -1 or empty as their defaults say."""

    outcome: Outcome
    client_id: str
    """The id the order was placed with (on a cancel too)."""
    operation: Operation | None = None
    """What this answers: an order may be placed and cancelled before either answer is there. None = news of an order
    that nobody asked for."""
    exchange_id: int | None = None
    ticket: int = 0
    """That of the request, 0 = news of an order that nobody asked for."""
    sent_ns: int = 0
    """SENT: when."""
    cause: Cause | None = None
    """NOT_SENT: why; None = not said."""
    code: int = 0
    """The exchange's error code, 0 = none."""
    message: str = ""
    """The exchange's or the transport's text, cut to a line of printable characters."""
    side: Side | None = None
    price_e8: int = 0
    qty_e8: int = 0
    executed_e8: int = -1
    """Quantity traded so far, -1 = not said."""
    executed_quote_e8: int = -1
    """Quote asset exchanged so far, -1 = not said."""
    trade_id: int = -1
    last_price_e8: int = 0
    last_qty_e8: int = 0
    fee_e8: int = 0
    """Commission of this trade in `fee_asset`; may be negative."""
    fee_asset: str = ""
    maker: bool = False
    time_ms: int = 0


@dataclass(frozen=True, slots=True)
class SymbolFilters:
    """Numeric limits of one symbol. 0 switches a bound off, as on the exchange."""

    price_min_e8: int
    price_max_e8: int
    tick_e8: int
    qty_min_e8: int
    qty_max_e8: int
    step_e8: int
    notional_min_e8: int
    notional_max_e8: int
    bid_multiplier_down_e8: int
    """A buy's price lies in [down, up] x reference price, counted in 1e-8."""
    bid_multiplier_up_e8: int
    ask_multiplier_down_e8: int
    ask_multiplier_up_e8: int
    open_orders_max: int
    """Open orders allowed on the symbol."""

    def changes(self, before: SymbolFilters) -> list[str]:
        """What differs from `before`, for a person: `tick 0.01, now 0.1`."""
        found = []
        for name in (one.name for one in fields(self)):
            old, new = getattr(before, name), getattr(self, name)
            if old != new:
                show = format_e8 if name.endswith("_e8") else str
                found.append(f"{name.removesuffix('_e8')} {show(old)}, now {show(new)}")
        return found


@dataclass(frozen=True, slots=True)
class Balance:
    """Absolute balance of one asset."""

    asset: str
    free_e8: int
    locked_e8: int


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """The account as one read showed it."""

    balances: tuple[Balance, ...]
    can_trade: bool
    permissions: frozenset[str]
    update_time_ms: int


@dataclass(frozen=True, slots=True)
class CommissionRates:
    """Commission as a fraction of what is received (times 1e8), every kind of commission summed."""

    maker_buy_e8: int
    maker_sell_e8: int
    taker_buy_e8: int
    taker_sell_e8: int
    discount: Discount | None = None
    """None: nothing is saved by paying in another asset."""

    def when(self, *, discounted: bool) -> CommissionRates:
        """What trades cost with the asset of the discount at hand, or without it."""
        return self.discount.rates if discounted and self.discount is not None else self


@dataclass(frozen=True, slots=True)
class Discount:
    """Commissions while they are paid in `asset`, for as long as the account has enough of it."""

    asset: str
    rates: CommissionRates


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that rests, ours or another program's."""

    symbol: str
    client_id: str
    exchange_id: int
    side: Side
    price_e8: int
    qty_e8: int
    executed_e8: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class OwnTrade:
    """One trade of this account."""

    trade_id: int
    exchange_id: int
    side: Side
    price_e8: int
    qty_e8: int
    quote_e8: int
    fee_e8: int
    fee_asset: str
    maker: bool
    time_ms: int


@dataclass(frozen=True, slots=True)
class DepthSnapshot:
    """A depth snapshot as it came: the core decodes it."""

    symbol: str
    levels: int
    """Levels a side asked for: a shorter side is the whole side."""
    body: bytes = field(repr=False)
    received_ns: int


class ExchangeClient(abc.ABC):
    """An exchange that takes orders.

    All methods are called by the holder of the orders role, one at a time. `send_order`, `cancel_order`, `query_order`,
    `amend_order` and `replace_order` never wait for the exchange: they return True when the request was taken over,
    after which SENT comes out of `poll` when its bytes left, and then exactly one answering `OrderResponse` (UNKNOWN
    when nobody can say), and False when nothing was taken (no room, or not connected). A failure of the network is
    never reported as a refusal.
    """

    @abc.abstractmethod
    def connect(self) -> None:
        """Makes the client usable. May block for some seconds; raises an `MmcoreError` when it cannot."""

    @abc.abstractmethod
    def close(self) -> None:
        """Gives everything back. Requests still open come out of `poll` as UNKNOWN first. Idempotent."""

    @abc.abstractmethod
    def send_order(self, request: OrderRequest) -> bool:
        """Hands a new order over. Never repeated by the client."""

    @abc.abstractmethod
    def cancel_order(self, request: OrderRequest) -> bool:
        """Hands a cancel over; cancels overtake new orders."""

    @abc.abstractmethod
    def query_order(self, request: OrderRequest) -> bool:
        """Asks for the state of one order."""

    @abc.abstractmethod
    def amend_order(self, request: OrderRequest) -> bool:
        """Makes an order smaller where it rests, so that it keeps its place. Never repeated by the client."""

    @abc.abstractmethod
    def replace_order(self, request: OrderRequest) -> bool:
        """Cancels one order and, only if that succeeded, places another. Never repeated by the client.

        Answered twice, unless its outcome is UNKNOWN as a whole: for the old order CANCELED under its own client id, or
        CANCEL_REJECTED under the new one's; then for the new order as `send_order` is. UNKNOWN among them means: what
        the other answer does not tell is open."""

    @abc.abstractmethod
    def poll(self) -> Sequence[OrderResponse]:
        """Outcomes since the last call, in the order they happened; never blocks."""

    @abc.abstractmethod
    def fileno(self) -> int:
        """A descriptor that polls readable while `poll` has something to give."""
