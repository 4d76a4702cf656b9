"""Accounts, orders and fills. Balances are integers and every movement is between named places, so no atom is lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mmcore.venue.commission import Commission
from mmcore.venue.limits import DEFAULT_LIMITS, RateLimit, WindowCounter
from mmcore.venue.market import OrderKind, Side, StpMode, TimeInForce

OPEN_STATUSES = frozenset({"NEW", "PARTIALLY_FILLED"})


@dataclass(slots=True)
class Balance:
    """One asset of an account, in 1e-8: `free` can be spent, `locked` stands behind open orders.

    `external` of what is locked was locked from outside; `moved` is the sum of deposits less withdrawals.
    """

    free_e8: int
    locked_e8: int
    start_e8: int
    moved_e8: int = 0
    external_e8: int = 0

    def lock(self, amount_e8: int) -> None:
        """Put free funds behind an order; the caller has seen that they suffice."""
        assert 0 <= amount_e8 <= self.free_e8, "only free funds are locked"
        self.free_e8 -= amount_e8
        self.locked_e8 += amount_e8

    def unlock(self, amount_e8: int) -> None:
        """Give funds of an order back."""
        assert 0 <= amount_e8 <= self.locked_e8, "only locked funds are unlocked"
        self.locked_e8 -= amount_e8
        self.free_e8 += amount_e8

    def move(self, delta_e8: int) -> None:
        """Deposit, or withdraw free funds where below zero."""
        assert self.free_e8 + delta_e8 >= 0, "only free funds are withdrawn"
        self.free_e8 += delta_e8
        self.moved_e8 += delta_e8

    def lock_external(self, delta_e8: int) -> None:
        """Lock free funds from outside, or give such funds back where below zero."""
        assert -self.external_e8 <= delta_e8 <= self.free_e8, "what is locked from outside was free before"
        self.free_e8 -= delta_e8
        self.locked_e8 += delta_e8
        self.external_e8 += delta_e8

    def pay(self, amount_e8: int) -> None:
        """Pay from locked funds."""
        assert 0 <= amount_e8 <= self.locked_e8, "a trade is paid from locked funds"
        self.locked_e8 -= amount_e8

    def receive(self, amount_e8: int) -> None:
        """Take in the proceeds of a trade."""
        assert amount_e8 >= 0, "proceeds are not negative"
        self.free_e8 += amount_e8

    def charge(self, fee_e8: int) -> None:
        """Take a fee; the caller has seen that it is there."""
        assert 0 <= fee_e8 <= self.free_e8, "a fee is paid from free funds"
        self.free_e8 -= fee_e8


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one order. Times are server time in microseconds; the commission is in the asset named."""

    trade_id: int
    order_id: int
    side: Side
    price_e8: int
    qty_e8: int
    quote_e8: int
    commission_e8: int
    commission_asset: str
    maker: bool
    time_us: int


@dataclass(frozen=True, slots=True)
class PreventedMatch:
    """A match with an order of the same account that did not happen. What taker and maker lost is 0 where they lost
    nothing.
    """

    match_id: int
    mode: StpMode
    taker_order_id: int
    maker_order_id: int
    price_e8: int
    qty_e8: int
    taker_e8: int
    maker_e8: int
    time_us: int


@dataclass(frozen=True, slots=True)
class Amendment:
    """One reduction of one order."""

    execution_id: int
    order_id: int
    old_client_id: str
    new_client_id: str
    old_qty_e8: int
    new_qty_e8: int
    time_us: int


@dataclass(slots=True)
class Order:
    """An order the matching engine took. `locked_e8` still stands behind it; `ended_us` is 0 while it is open.

    `quote_qty_e8` is what a MARKET order was to spend or receive, where it said so; `prevented_e8` is what self-trade
    prevention took, `prevented_match_id` the last match that did (-1: none), `preventions` those it met as taker.
    """

    order_id: int
    client_id: str
    account_id: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_e8: int
    qty_e8: int
    stp: StpMode
    placed_us: int
    quote_qty_e8: int = 0
    status: str = "NEW"
    executed_e8: int = 0
    prevented_e8: int = 0
    prevented_match_id: int = -1
    quote_e8: int = 0
    locked_e8: int = 0
    updated_us: int = 0
    ended_us: int = 0
    expiry_reason: str = ""
    fills: list[Fill] = field(default_factory=list)
    preventions: list[PreventedMatch] = field(default_factory=list)
    amendments: list[Amendment] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN_STATUSES

    @property
    def remaining_e8(self) -> int:
        """What can still be executed while the order is open."""
        return self.qty_e8 - self.executed_e8 - self.prevented_e8


class Account:
    """Balances, orders, fills and order counts of one user."""

    def __init__(
        self, account_id: str, api_key: str, order_limits: Sequence[RateLimit] = DEFAULT_LIMITS.orders
    ) -> None:
        self.account_id = account_id
        self.api_key = api_key
        self.balances: dict[str, Balance] = {}
        self.orders: dict[int, Order] = {}
        self.open_orders: dict[int, Order] = {}
        self.by_client_id: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.prevented: list[PreventedMatch] = []
        self.commission = Commission()
        self.fees_e8: dict[str, int] = {}
        self.order_counts = tuple(WindowCounter(limit) for limit in order_limits)
        self.rejected_count = 0
        self.updated_us = 0

    def fund(self, amounts_e8: Mapping[str, int]) -> None:
        """Set the start balances."""
        self.balances = {asset: Balance(amount, 0, amount) for asset, amount in amounts_e8.items()}

    def balance(self, asset: str) -> Balance:
        """The asset's balance; zero if the account never held it."""
        return self.balances.setdefault(asset, Balance(0, 0, 0))

    def admit(self, order: Order) -> None:
        """Take a new order in. Its client id then names it, until a later order takes the name."""
        self.orders[order.order_id] = order
        self.open_orders[order.order_id] = order
        self.by_client_id[order.client_id] = order

    def rename(self, order: Order, client_id: str) -> None:
        """Give an open order another client id; the old one no longer names it."""
        if self.by_client_id.get(order.client_id) is order:
            del self.by_client_id[order.client_id]
        order.client_id = client_id
        self.by_client_id[client_id] = order

    def wipe(self) -> Iterable[Order]:
        """Forget every order, fill and fee, and hold the start balances again. Returns the orders that were open."""
        gone = list(self.open_orders.values())
        for held in (self.orders, self.open_orders, self.by_client_id, self.fees_e8):
            held.clear()
        self.fills, self.prevented = [], []
        self.fund({asset: balance.start_e8 for asset, balance in self.balances.items()})
        return gone

    def retire(self, order: Order, status: str, now_us: int) -> None:
        """End an order; what it still locks must have been given back."""
        assert order.locked_e8 == 0, "an order that ends locks nothing"
        del self.open_orders[order.order_id]
        order.status, order.updated_us, order.ended_us = status, now_us, now_us
