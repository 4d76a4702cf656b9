"""The exchange's core: orders checked, balances locked and freed, executions booked, user events made.

Pure: its clock is injected, and its only effects are its own state, the market's and the outbox of user events. All
calls come from one thread.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from mmcore.venue import errors, userdata
from mmcore.venue.accounts import Account, Amendment, Fill, Order, PreventedMatch
from mmcore.venue.agenda import Agenda
from mmcore.venue.clock import Clock
from mmcore.venue.commission import DISCOUNT_ASSET, Commission, Rates
from mmcore.venue.decimals import UNIT_E8, multiply_e8
from mmcore.venue.faults import FaultPlan
from mmcore.venue.filters import check_amend, check_order
from mmcore.venue.jsontext import TimeUnit, compact_json
from mmcore.venue.limits import DEFAULT_LIMITS, Limits, RateLimit, Visitors
from mmcore.venue.market import (
    Execution,
    Market,
    NewOrder,
    OrderKind,
    Prevention,
    PriceRange,
    Side,
    StpMode,
    StreamMessage,
    TimeInForce,
)
from mmcore.venue.replica import Replica
from mmcore.venue.signing import KeyRing
from mmcore.venue.snapshots import Snapshots
from mmcore.venue.symbol import STATUSES, change_rules, rules_for
from mmcore.venue.traffic import Traffic

_REPORTS_KEPT = 1_000
_FIRST_ORDER_ID = 1_000_001
_WHOLE_BOOK = 1_000_000
_CLIENT_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MAKER_FILL_CREDIT, _TAKER_FILL_CREDIT = 5, 1


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order as asked for; `price_e8` is 0 for MARKET, `client_id` empty to have one made.

    A MARKET order with a `quote_qty_e8` has no `qty_e8`: it trades as much as comes to that.
    """

    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_e8: int
    qty_e8: int
    client_id: str
    stp: StpMode
    quote_qty_e8: int = 0


@dataclass(frozen=True, slots=True)
class PriceRangeRule:
    """The exchange's execution rule: how far from the reference price a taker may trade, as ratios in 1e-8."""

    bid_up_e8: int
    bid_down_e8: int
    ask_up_e8: int
    ask_down_e8: int

    def allowed(self, side: Side, reference_e8: int) -> PriceRange:
        """The range of a taker on this side; its ends are prices that the ratios give exactly or lie just inside."""
        up_e8, down_e8 = (self.bid_up_e8, self.bid_down_e8) if side is Side.BUY else (self.ask_up_e8, self.ask_down_e8)
        return PriceRange(-(-reference_e8 * down_e8 // UNIT_E8), reference_e8 * up_e8 // UNIT_E8)


@dataclass(frozen=True, slots=True)
class UserEvent:
    """One event for everybody who subscribed to the account."""

    account_id: str
    event: dict[str, Any]

    def text(self, unit: TimeUnit = TimeUnit.MILLISECOND) -> str:
        """Its JSON."""
        return compact_json(self.event, unit)


class Exchange:
    """One symbol, its market and the accounts that trade it.

    `maker_rate_e8` and `taker_rate_e8` are the standard fee rates that the accounts begin with, in 1e-8 (10 bps =
    100,000); what else an account pays is in its `commission`. `reference_e8` is the price that filters go by where it
    is set, else the last trade's; only where it is set, `price_range_rule` bounds takers by it. `bnb_price_e8` is what
    a BNB costs in the quote asset; 0: nobody pays in BNB.
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        keys: KeyRing,
        accounts: Iterable[Account],
        *,
        maker_rate_e8: int,
        taker_rate_e8: int,
        rng: random.Random,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.market = market
        self.rules = rules_for(market.symbol, market.tick_e8, market.step_e8)
        self._first_rules = self.rules
        self.status = "TRADING"
        self.keys = keys
        self.accounts = {account.account_id: account for account in accounts}
        for account in self.accounts.values():
            account.commission = Commission(Rates(maker_rate_e8, taker_rate_e8))
        self.reference_e8: int | None = None
        self.price_range_rule: PriceRangeRule | None = None
        self.bnb_price_e8 = 0
        self.limits = limits
        self.visitors = Visitors(limits)
        self.offset_us = 0
        self.clock = clock
        self.agenda = Agenda()
        self.faults = FaultPlan()
        self.snapshots = Snapshots(market)
        self.traffic = Traffic()
        self.archive: list[dict[str, Any]] = []
        """For the audit: the accounts as they were before each wipe."""
        self._failing_leg = ""
        self._market_us = 0
        self._rng = rng
        self._open: dict[int, Order] = {}
        self._next_order_id = _FIRST_ORDER_ID
        self._next_execution_id = 1
        self._next_prevented_id = 0
        self._outbox: list[UserEvent] = []
        self._reports: deque[UserEvent] = deque(maxlen=_REPORTS_KEPT)
        self._replicas: dict[str, Replica] = {}
        self._touched: list[Order] = []

    # Time and status

    def server_us(self) -> int:
        """The exchange's time as clients see it, microseconds: the market's plus `offset_us`."""
        return self.clock.now_us() + self.offset_us

    def set_status(self, status: str) -> bool:
        """Set the symbol's status; False if the exchange has no such status."""
        if status not in STATUSES:
            return False
        self.status = status
        return True

    @contextmanager
    def failing_leg(self, leg: str) -> Iterator[None]:
        """Inside, the next cancel ("cancel") or new order ("new") is refused, whatever it is."""
        self._failing_leg = leg
        try:
            yield
        finally:
            self._failing_leg = ""

    # The market's own life. Its time is the clock's, unshifted, and moves in `start` and `advance` only, so that
    # nothing happens in the market between an `advance` and the orders that follow it.

    def start(self) -> None:
        """Start the market."""
        self._market_us = self.clock.now_us()
        self.market.start(self._market_us)

    def next_due_us(self) -> int | None:
        """When `advance` is next needed, in market time."""
        dues = (self.market.next_due_us(), self.agenda.next_due_us(), self.faults.next_due_us())
        return min((due for due in dues if due is not None), default=None)

    def advance(self) -> list[StreamMessage]:
        """Let the market do all that is due, book its executions, and return its messages in order."""
        self._market_us = self.clock.now_us()
        messages, executions = self.market.advance(self._market_us)
        self._book(executions)
        self.snapshots.observe(messages, self._market_us)
        self.agenda.run(self._market_us)
        return messages

    def take_user_events(self) -> list[UserEvent]:
        """The events since the last call, in order."""
        events, self._outbox = self._outbox, []
        return events

    def recent_reports(self, account_id: str, count: int) -> list[UserEvent]:
        """The account's last executionReports, oldest first."""
        return [event for event in self._reports if event.account_id == account_id][-count:]

    def lag_queries(self, lag_us: int) -> None:
        """From now on queries see every account as it was `lag_us` ago; 0: as it is."""
        self._touched.clear()
        self._replicas = {name: Replica(account, lag_us) for name, account in self.accounts.items() if lag_us}

    def account_for_queries(self, account_id: str) -> Account:
        """The account as queries see it."""
        replica = self._replicas.get(account_id)
        return self.accounts[account_id] if replica is None else replica.account(self.clock.now_us())

    # Orders

    def place(self, account: Account, request: OrderRequest) -> Order:
        """Check, count, lock, match and book a new order. Raises `VenueError` with the exchange's refusal."""
        self.check(account, request)
        self.count_order(account)
        return self.enter(account, request)

    def check(self, account: Account, request: OrderRequest) -> None:
        """What is judged before the matching engine: order counts (-1015) and filters (-1013)."""
        refusal = self.over_order_limit(account)
        if refusal is not None:
            raise refusal
        self.check_filters(account, request)

    def over_order_limit(self, account: Account) -> errors.VenueError | None:
        """The -1015 that one more order would be, if it would."""
        now_us = self.server_us()
        for counter in account.order_counts:
            if counter.exceeded_by(now_us, 1):
                return _too_many_orders(counter.limit, counter.resets_at_us(now_us) // 1000)
        return None

    def check_filters(self, account: Account, request: OrderRequest) -> None:
        """-1013 at the first filter that a new order fails."""
        check_order(
            self.rules,
            request.kind,
            request.price_e8,
            request.qty_e8,
            quote_qty_e8=request.quote_qty_e8,
            reference_e8=self.market.reference_price_e8() if self.reference_e8 is None else self.reference_e8,
            open_orders=len(account.open_orders),
        )
        if request.side is Side.BUY and self.rules.max_position_e8:
            held = account.balance(self.rules.base)
            buying_e8 = sum(order.remaining_e8 for order in account.open_orders.values() if order.side is Side.BUY)
            if held.free_e8 + held.locked_e8 + buying_e8 + request.qty_e8 > self.rules.max_position_e8:
                raise errors.filter_failure("MAX_POSITION")

    def count_order(self, account: Account) -> None:
        """Count a new order against the limits, whatever becomes of it."""
        now_us = self.server_us()
        for counter in account.order_counts:
            counter.add(now_us, 1)

    def enter(self, account: Account, request: OrderRequest) -> Order:
        """The matching engine's part of `place`, for an order that is checked and counted."""
        now_us = self.server_us()
        if self.status != "TRADING" or self.market.depth(1) is None:
            raise errors.market_closed()
        if self._failing_leg == "new":
            raise errors.insufficient_balance()
        namesake = account.by_client_id.get(request.client_id)
        if namesake is not None and namesake.is_open:
            raise errors.duplicate_order()
        order = self._new_order(account, request, now_us)
        if request.quote_qty_e8:
            order.qty_e8 = self._quantity_for(account, order)
        self._lock_funds(account, order, now_us)
        new = NewOrder(
            order.order_id,
            account.account_id,
            order.side,
            order.kind,
            order.tif,
            order.price_e8,
            order.qty_e8,
            order.stp,
            self._allowed(order.side),
        )
        result = self.market.place(new, self._market_us)
        if result.would_match:
            self._unlock(account, order)
            self._reject(account, order, "WOULD_MATCH_IMMEDIATELY", now_us)
            raise errors.would_match()
        self._admit(account, order, now_us)
        self._book(result.executions)
        assert order.remaining_e8 == result.resting_e8 + result.expired_e8, "the market accounts for every lot"
        if result.expired_e8:
            order.expiry_reason = (
                "EXECUTION_RULE_PRICE_RANGE_EXCEEDED" if result.out_of_range else _expiry_reason(order)
            )
            self._end(account, order, "EXPIRED", "EXPIRED", now_us)
        return order

    def cancel(self, account: Account, order: Order | None, cancel_client_id: str, restriction: str = "") -> str:
        """Take an open order off; returns the cancel's client id, made up if empty. -2011 if it is not open, or not of
        the status that the restriction (ONLY_NEW, ONLY_PARTIALLY_FILLED) asks for.
        """
        if order is None or not order.is_open or self._failing_leg == "cancel":
            raise errors.unknown_order()
        if restriction and order.status != restriction.removeprefix("ONLY_"):
            raise errors.cancel_restricted()
        remaining_e8 = self.market.cancel(order.order_id, self._market_us)
        assert remaining_e8 == order.remaining_e8, "market and account agree on what rests"
        name = cancel_client_id or self._make_client_id()
        self._end(account, order, "CANCELED", "CANCELED", self.server_us(), client_id=name)
        return name

    def amend(self, account: Account, order: Order | None, new_qty_e8: int, client_id: str) -> Amendment:
        """Reduce an open order in its place. It gets a new client id, made up if empty; its own may be kept.

        An order of which nothing is left then expires. Raises -1013 or -2038.
        """
        now_us = self.server_us()
        if order is None or not order.is_open:
            raise errors.amend_refused("Unknown order sent.")
        check_amend(self.rules, order.price_e8, new_qty_e8)
        self._check_amend(account, order, new_qty_e8, client_id)
        amendment = Amendment(
            self._next_execution_id,
            order.order_id,
            order.client_id,
            client_id or self._make_client_id(),
            order.qty_e8,
            new_qty_e8,
            now_us,
        )
        order.amendments.append(amendment)
        account.rename(order, amendment.new_client_id)
        self._reduce(account, order, new_qty_e8, amendment)
        return amendment

    def find(self, account: Account, order_id: int | None, client_id: str | None) -> Order | None:
        """The account's order of that id (which rules) or client id; None if there is none. -2039 if they disagree."""
        if order_id is None:
            return account.by_client_id.get(client_id or "")
        order = account.orders.get(order_id)
        if order is not None and client_id is not None and order.client_id != client_id:
            raise errors.wrong_client_id()
        return order

    # What an operator of the exchange does

    def set_rules(self, **changes: int) -> None:
        """Change filters while orders rest, which stay: fields of `SymbolRules`. Raises `SymbolError`."""
        self.rules = change_rules(self.rules, changes, tick_e8=self.market.tick_e8, step_e8=self.market.step_e8)

    def wipe(self) -> None:
        """Forget every order, fill and balance, as a testnet does: start balances, ids from the beginning, and not an
        event about it.
        """
        for account in self.accounts.values():
            for order in account.wipe():
                self.market.cancel(order.order_id, self._market_us)
            account.updated_us = self.server_us()
        self._open.clear()
        self._reports.clear()
        self._replicas.clear()
        self._next_order_id, self._next_execution_id, self._next_prevented_id = _FIRST_ORDER_ID, 1, 0

    @property
    def fees_e8(self) -> dict[str, int]:
        """All fees taken, by asset."""
        taken = {self.rules.base: 0, self.rules.quote: 0}
        for account in self.accounts.values():
            for asset, fee_e8 in account.fees_e8.items():
                taken[asset] = taken.get(asset, 0) + fee_e8
        return taken

    def shift_clock(self, by_us: int) -> None:
        """Move the exchange's time away from the market's."""
        self.offset_us += by_us

    def scale_filter(self, name: str, factor: int) -> None:
        """Make "tick", "step" or "min_notional" `factor` times that of the start. Orders that rest stay as they are."""
        field = {"tick": "tick_e8", "step": "step_e8", "min_notional": "min_notional_e8"}[name]
        self.set_rules(**{field: getattr(self._first_rules, field) * factor})

    def expire_orders(self, chosen: Callable[[Order], bool], count: int) -> int:
        """Take up to `count` chosen open orders off, the oldest first, as the exchange does; returns how many."""
        ended = 0
        for order in [order for order in self._open.values() if chosen(order)][:count]:
            if self.market.cancel(order.order_id, self._market_us) is None:
                continue
            order.expiry_reason = "EXCHANGE_CANCELED"
            self._end(self.accounts[order.account_id], order, "EXPIRED", "EXPIRED", self.server_us())
            ended += 1
        return ended

    def move_balance(self, account: Account, asset: str, delta_e8: int) -> int:
        """A deposit, or a withdrawal of at most what is free; returns what was moved."""
        now_us = self.server_us()
        balance = account.balance(asset)
        moved_e8 = max(delta_e8, -balance.free_e8)
        balance.move(moved_e8)
        self._outbox.append(UserEvent(account.account_id, userdata.balance_update(asset, moved_e8, now_us)))
        self._position(account, now_us, asset)
        return moved_e8

    def lock_external(self, account: Account, asset: str, delta_e8: int) -> int:
        """Lock at most what is free from outside, or give back at most what is so locked; returns the change."""
        now_us = self.server_us()
        balance = account.balance(asset)
        changed_e8 = min(delta_e8, balance.free_e8) if delta_e8 >= 0 else max(delta_e8, -balance.external_e8)
        balance.lock_external(changed_e8)
        self._outbox.append(UserEvent(account.account_id, userdata.external_lock(asset, changed_e8, now_us)))
        self._position(account, now_us, asset)
        return changed_e8

    # Inside

    def _new_order(self, account: Account, request: OrderRequest, now_us: int) -> Order:
        order_id, self._next_order_id = self._next_order_id, self._next_order_id + 1
        return Order(
            order_id=order_id,
            client_id=request.client_id or self._make_client_id(),
            account_id=account.account_id,
            side=request.side,
            kind=request.kind,
            tif=request.tif,
            price_e8=request.price_e8,
            qty_e8=request.qty_e8,
            stp=request.stp,
            placed_us=now_us,
            quote_qty_e8=request.quote_qty_e8,
            updated_us=now_us,
        )

    def _allowed(self, side: Side) -> PriceRange | None:
        """Where a taker may trade now; None where no rule or no reference price says."""
        if self.price_range_rule is None or self.reference_e8 is None:
            return None
        return self.price_range_rule.allowed(side, self.reference_e8)

    def _make_client_id(self) -> str:
        return "".join(self._rng.choices(_CLIENT_ID_ALPHABET, k=22))

    def _pays_with(self, order: Order) -> str:
        return self.rules.quote if order.side is Side.BUY else self.rules.base

    def _lock_funds(self, account: Account, order: Order, now_us: int) -> None:
        if order.side is Side.SELL:
            needed_e8 = order.qty_e8
        elif order.kind is OrderKind.MARKET:
            needed_e8 = self._cost(account, order)
        else:
            needed_e8 = multiply_e8(order.price_e8, order.qty_e8)
        balance = account.balance(self._pays_with(order))
        if needed_e8 > balance.free_e8:
            self._reject(account, order, "INSUFFICIENT_BALANCES", now_us)
            raise errors.insufficient_balance()
        balance.lock(needed_e8)
        order.locked_e8 = needed_e8

    def _offers(self, account: Account, order: Order, allowed: PriceRange | None = None) -> list[tuple[int, int]]:
        """The opposite (price, quantity) pairs that a price range allows, best first, without the account's own where
        they must not trade.
        """
        book = self.market.depth(_WHOLE_BOOK)
        assert book is not None, "orders are taken only while there is a book"
        levels = book[2] if order.side is Side.BUY else book[1]
        if allowed is not None:
            levels = list(takewhile(lambda level: allowed.holds(level[0]), levels))
        if order.stp is StpMode.NONE:
            return levels
        own_e8: dict[int, int] = {}
        for own in account.open_orders.values():
            if own.side is not order.side:
                own_e8[own.price_e8] = own_e8.get(own.price_e8, 0) + own.remaining_e8
        return [(price, max(0, qty - own_e8.get(price, 0))) for price, qty in levels]

    def _cost(self, account: Account, order: Order) -> int:
        """What a MARKET order to buy pays at most."""
        cost_e8, left_e8 = 0, order.qty_e8
        for price_e8, qty_e8 in self._offers(account, order, self._allowed(order.side)):
            taken_e8 = min(left_e8, qty_e8)
            cost_e8 += multiply_e8(price_e8, taken_e8)
            left_e8 -= taken_e8
            if not left_e8:
                break
        return cost_e8

    def _quantity_for(self, account: Account, order: Order) -> int:
        """The quantity that a MARKET order trades for its quote quantity, in whole steps and not above it."""
        left_e8, total_e8 = order.quote_qty_e8, 0
        offers = self._offers(account, order)
        for price_e8, offered_e8 in offers:
            affordable_e8 = left_e8 * UNIT_E8 // price_e8
            qty_e8 = min(offered_e8, affordable_e8 - affordable_e8 % self.rules.step_e8)
            total_e8 += qty_e8
            left_e8 -= multiply_e8(price_e8, qty_e8)
            if qty_e8 < offered_e8:
                break
        if not any(qty_e8 for _, qty_e8 in offers):
            raise errors.no_liquidity("symbol")
        if total_e8 < self.rules.min_qty_e8:
            raise errors.no_liquidity("`MARKET_LOT_SIZE` filter")
        return min(total_e8, self.rules.max_qty_e8)

    def _admit(self, account: Account, order: Order, now_us: int) -> None:
        account.admit(order)
        self._open[order.order_id] = order
        self._report(order, "NEW", now_us)
        self._position(account, now_us)

    def _reject(self, account: Account, order: Order, reason: str, now_us: int) -> None:
        account.rejected_count += 1
        order.status = "REJECTED"
        self._report(order, "REJECTED", now_us, reject_reason=reason)

    def _unlock(self, account: Account, order: Order) -> None:
        account.balance(self._pays_with(order)).unlock(order.locked_e8)
        order.locked_e8 = 0

    def _unlock_part(self, account: Account, order: Order, qty_e8: int) -> None:
        """Free what stood behind a part of an order that stays open."""
        if order.kind is OrderKind.MARKET and order.side is Side.BUY:
            return
        freed_e8 = qty_e8 if order.side is Side.SELL else multiply_e8(order.price_e8, qty_e8)
        account.balance(self._pays_with(order)).unlock(freed_e8)
        order.locked_e8 -= freed_e8

    def _close(self, account: Account, order: Order, status: str, now_us: int) -> None:
        """Take an order out of the open ones and free its funds."""
        self._unlock(account, order)
        del self._open[order.order_id]
        account.retire(order, status, now_us)

    def _end(
        self, account: Account, order: Order, status: str, execution: str, now_us: int, *, client_id: str = ""
    ) -> None:
        """End an order that is not filled: free its funds, tell its account. `client_id` is that of its cancel."""
        self._close(account, order, status, now_us)
        original = order.client_id if client_id else ""
        self._report(order, execution, now_us, client_id=client_id, original_client_id=original)
        self._position(account, now_us)

    def _check_amend(self, account: Account, order: Order, new_qty_e8: int, client_id: str) -> None:
        if self.status != "TRADING":
            raise errors.amend_refused("Market is closed.")
        if new_qty_e8 > order.qty_e8:
            raise errors.amend_refused("Order amend (quantity increase) is not supported.")
        if new_qty_e8 == order.qty_e8:
            raise errors.amend_refused("The requested action would change no state; rejecting.")
        if len(order.amendments) >= self.rules.max_num_order_amends:
            raise errors.amend_refused("Filter failure: MAX_NUM_ORDER_AMENDS")
        namesake = account.by_client_id.get(client_id)
        if namesake is not None and namesake is not order and namesake.is_open:
            raise errors.amend_refused("Duplicate order sent.")

    def _reduce(self, account: Account, order: Order, new_qty_e8: int, amendment: Amendment) -> None:
        now_us, gone_e8 = amendment.time_us, order.executed_e8 + order.prevented_e8
        original = amendment.old_client_id
        if new_qty_e8 > gone_e8:
            rests = self.market.reduce(order.order_id, new_qty_e8 - gone_e8, self._market_us)
            assert rests, "an open order rests"
            self._unlock_part(account, order, order.qty_e8 - new_qty_e8)
            order.qty_e8, order.updated_us = new_qty_e8, now_us
            self._report(order, "REPLACED", now_us, original_client_id=original)
        else:
            self.market.cancel(order.order_id, self._market_us)
            order.qty_e8 = gone_e8
            self._close(account, order, "EXPIRED", now_us)
            self._report(order, "EXPIRED", now_us, original_client_id=original)
        self._position(account, now_us)

    def _book(self, steps: Iterable[Execution | Prevention]) -> None:
        now_us = self.server_us()
        for step in steps:
            if isinstance(step, Prevention):
                self._prevent(self.accounts[step.owner], step, now_us)
            else:
                order = self._open[step.order_id]
                self._book_one(self.accounts[order.account_id], order, step, now_us)

    def _prevent(self, account: Account, step: Prevention, now_us: int) -> None:
        taker, maker = self._open[step.taker_order_id], self._open[step.maker_order_id]
        match = PreventedMatch(
            self._next_prevented_id,
            taker.stp,
            taker.order_id,
            maker.order_id,
            step.price_e8,
            step.qty_e8,
            step.taker_e8,
            step.maker_e8,
            now_us,
        )
        self._next_prevented_id += 1
        account.prevented.append(match)
        taker.preventions.append(match)
        for order, lost_e8 in ((maker, step.maker_e8), (taker, step.taker_e8)):
            if lost_e8:
                self._lose(account, order, lost_e8, match)

    def _lose(self, account: Account, order: Order, lost_e8: int, match: PreventedMatch) -> None:
        """Take from an order what self-trade prevention takes; one of which nothing is left ends."""
        order.prevented_e8 += lost_e8
        order.prevented_match_id = match.match_id
        if order.remaining_e8:
            self._unlock_part(account, order, lost_e8)
            order.updated_us = match.time_us
        else:
            self._close(account, order, "EXPIRED_IN_MATCH", match.time_us)
        event = userdata.trade_prevention(
            order, self.rules.symbol, match, execution_id=self._execution_id(), now_us=match.time_us
        )
        self._outbox.append(UserEvent(order.account_id, event))
        self._touch(order)
        self._position(account, match.time_us)

    def _book_one(self, account: Account, order: Order, execution: Execution, now_us: int) -> None:
        price_e8, qty_e8 = execution.price_e8, execution.qty_e8
        quote_e8 = multiply_e8(price_e8, qty_e8)
        base, quote = account.balance(self.rules.base), account.balance(self.rules.quote)
        if order.side is Side.BUY:
            set_aside_e8 = quote_e8 if order.kind is OrderKind.MARKET else multiply_e8(order.price_e8, qty_e8)
            quote.pay(quote_e8)
            quote.unlock(set_aside_e8 - quote_e8)
            base.receive(qty_e8)
            order.locked_e8 -= set_aside_e8
        else:
            base.pay(qty_e8)
            quote.receive(quote_e8)
            order.locked_e8 -= qty_e8
        fee_e8, asset = self._charge(account, order.side, execution, quote_e8)
        fill = Fill(
            execution.trade_id,
            order.order_id,
            order.side,
            price_e8,
            qty_e8,
            quote_e8,
            fee_e8,
            asset,
            execution.maker,
            now_us,
        )
        self._record_fill(account, order, fill, now_us)

    def _charge(self, account: Account, side: Side, execution: Execution, quote_e8: int) -> tuple[int, str]:
        """Take a trade's fee, in BNB where the account pays in it and has enough: (fee, asset)."""
        buys, commission = side is Side.BUY, account.commission
        received_e8 = execution.qty_e8 if buys else quote_e8
        asset = self.rules.base if buys else self.rules.quote
        fee_e8 = commission.fee_e8(received_e8, maker=execution.maker, side=side)
        bnb_e8 = self._bnb_price(execution.price_e8) if commission.pays_in_bnb else 0
        if bnb_e8:
            worth_e8 = execution.price_e8 if buys else UNIT_E8
            in_bnb_e8 = commission.fee_in_bnb_e8(
                received_e8, maker=execution.maker, side=side, worth_e8=worth_e8, bnb_e8=bnb_e8
            )
            if account.balance(DISCOUNT_ASSET).free_e8 >= in_bnb_e8:
                fee_e8, asset = in_bnb_e8, DISCOUNT_ASSET
        account.balance(asset).charge(fee_e8)
        account.fees_e8[asset] = account.fees_e8.get(asset, 0) + fee_e8
        return fee_e8, asset

    def _bnb_price(self, trade_price_e8: int) -> int:
        """What a BNB costs in the quote asset; 0 where the exchange has no such price."""
        if self.rules.base == DISCOUNT_ASSET:
            return trade_price_e8
        return UNIT_E8 if self.rules.quote == DISCOUNT_ASSET else self.bnb_price_e8

    def _record_fill(self, account: Account, order: Order, fill: Fill, now_us: int) -> None:
        if not order.fills:
            for counter in account.order_counts:
                counter.add(now_us, -(_MAKER_FILL_CREDIT if fill.maker else _TAKER_FILL_CREDIT))
        order.fills.append(fill)
        account.fills.append(fill)
        order.executed_e8 += fill.qty_e8
        order.quote_e8 += fill.quote_e8
        order.updated_us = now_us
        assert order.remaining_e8 >= 0, "an order never trades more than its quantity"
        if order.remaining_e8:
            order.status = "PARTIALLY_FILLED"
        else:
            self._close(account, order, "FILLED", now_us)
        self._report(order, "TRADE", now_us, fill=fill)
        self._position(account, now_us, fill.commission_asset)

    def _execution_id(self) -> int:
        execution_id, self._next_execution_id = self._next_execution_id, self._next_execution_id + 1
        return execution_id

    def _report(
        self,
        order: Order,
        execution: str,
        now_us: int,
        *,
        fill: Fill | None = None,
        client_id: str = "",
        original_client_id: str = "",
        reject_reason: str = "NONE",
    ) -> None:
        event = userdata.execution_report(
            order,
            self.rules.symbol,
            execution,
            execution_id=self._execution_id(),
            now_us=now_us,
            fill=fill,
            client_id=client_id,
            original_client_id=original_client_id,
            reject_reason=reject_reason,
        )
        self._outbox.append(UserEvent(order.account_id, event))
        self._reports.append(self._outbox[-1])
        self._touch(order)

    def _touch(self, order: Order) -> None:
        if self._replicas:
            self._touched.append(order)

    def _position(self, account: Account, now_us: int, *assets: str) -> None:
        account.updated_us = now_us
        replica = self._replicas.get(account.account_id)
        if replica is not None:
            replica.note(self._touched, self.clock.now_us())
            self._touched.clear()
        names = (self.rules.base, self.rules.quote, *assets)
        touched = {asset: account.balance(asset) for asset in names}
        event = userdata.account_position(touched, event_us=now_us, updated_us=now_us)
        self._outbox.append(UserEvent(account.account_id, event))


def _expiry_reason(order: Order) -> str:
    if order.kind is OrderKind.MARKET:
        return "INSUFFICIENT_LIQUIDITY"
    fok = order.tif is TimeInForce.FOK
    return "UNFILLED_FOK_ORDER_EXPIRED" if fok else "UNFILLED_IOC_QUANTITY_EXPIRED"


def _too_many_orders(limit: RateLimit, retry_at_ms: int) -> errors.VenueError:
    return errors.VenueError(
        -1015,
        f"Too many new orders; current limit is {limit.limit} orders per {limit.interval_num} {limit.interval}.",
        status=429,
        retry_at_ms=retry_at_ms,
    )
