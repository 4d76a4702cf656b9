"""The exchange's core: orders checked, balances locked and freed, executions booked, user events made.

Pure: its clock is injected, and its only effects are its own state, the market's and the outbox of user events. All
calls come from one thread.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mmcore.venue import errors, userdata
from mmcore.venue.accounts import Account, Fill, Order
from mmcore.venue.clock import Clock
from mmcore.venue.decimals import commission_e8, multiply_e8
from mmcore.venue.filters import check_order
from mmcore.venue.jsontext import TimeUnit, compact_json
from mmcore.venue.limits import DEFAULT_LIMITS, Limits, RateLimit, Visitors
from mmcore.venue.market import Execution, Market, NewOrder, OrderKind, Side, StreamMessage, TimeInForce
from mmcore.venue.signing import KeyRing
from mmcore.venue.symbol import STATUSES, rules_for

_FIRST_ORDER_ID = 1_000_001
_WHOLE_BOOK = 1_000_000
_CLIENT_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_MAKER_FILL_CREDIT, _TAKER_FILL_CREDIT = 5, 1


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A new order as asked for; `price_e8` is 0 for MARKET, `client_id` empty to have one made."""

    side: Side
    kind: OrderKind
    tif: TimeInForce
    price_e8: int
    qty_e8: int
    client_id: str
    stp_mode: str


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

    `maker_rate_e8` and `taker_rate_e8` are fee rates in 1e-8 (10 bps = 100,000), paid in the received asset and rounded
    half up to 1e-8.
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
        self.status = "TRADING"
        self.keys = keys
        self.accounts = {account.account_id: account for account in accounts}
        self.maker_rate_e8 = maker_rate_e8
        self.taker_rate_e8 = taker_rate_e8
        self.fees_e8 = {self.rules.base: 0, self.rules.quote: 0}
        self.limits = limits
        self.visitors = Visitors(limits)
        self.offset_us = 0
        self.clock = clock
        self._market_us = 0
        self._rng = rng
        self._open: dict[int, Order] = {}
        self._next_order_id = _FIRST_ORDER_ID
        self._next_execution_id = 1
        self._outbox: list[UserEvent] = []

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

    # The market's own life. Its time is the clock's, unshifted, and moves in `start` and `advance` only, so that
    # nothing happens in the market between an `advance` and the orders that follow it.

    def start(self) -> None:
        """Start the market."""
        self._market_us = self.clock.now_us()
        self.market.start(self._market_us)

    def next_due_us(self) -> int | None:
        """When `advance` is next needed, in market time."""
        return self.market.next_due_us()

    def advance(self) -> list[StreamMessage]:
        """Let the market do all that is due, book its executions, and return its messages in order."""
        self._market_us = self.clock.now_us()
        messages, executions = self.market.advance(self._market_us)
        self._book(executions)
        return messages

    def take_user_events(self) -> list[UserEvent]:
        """The events since the last call, in order."""
        events, self._outbox = self._outbox, []
        return events

    # Orders

    def place(self, account: Account, request: OrderRequest) -> Order:
        """Check, lock, match and book a new order. Raises `VenueError` with the exchange's refusal."""
        now_us = self.server_us()
        self.check(account, request)
        for counter in account.order_counts:
            counter.add(now_us, 1)
        if self.status != "TRADING" or self.market.depth(1) is None:
            raise errors.market_closed()
        namesake = account.by_client_id.get(request.client_id)
        if namesake is not None and namesake.is_open:
            raise errors.duplicate_order()
        order = self._new_order(account, request, now_us)
        self._lock_funds(account, order, now_us)
        if self._takes_own_order(account, order):
            self._admit(account, order, now_us)
            self._end(account, order, "EXPIRED_IN_MATCH", "TRADE_PREVENTION", now_us)
            return order
        new = NewOrder(
            order.order_id, account.account_id, order.side, order.kind, order.tif, order.price_e8, order.qty_e8
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
            order.expiry_reason = _expiry_reason(order)
            self._end(account, order, "EXPIRED", "EXPIRED", now_us)
        return order

    def check(self, account: Account, request: OrderRequest) -> None:
        """What is judged before the matching engine: order counts (-1015) and filters (-1013)."""
        now_us = self.server_us()
        for counter in account.order_counts:
            if counter.exceeded_by(now_us, 1):
                raise _too_many_orders(counter.limit, counter.resets_at_us(now_us) // 1000)
        check_order(
            self.rules,
            request.kind,
            request.price_e8,
            request.qty_e8,
            reference_e8=self.market.reference_price_e8(),
            open_orders=len(account.open_orders),
        )

    def cancel(self, account: Account, order: Order, cancel_client_id: str) -> str:
        """Take an open order off; returns the cancel's client id, made up if empty. -2011 if it is not open."""
        remaining_e8 = self.market.cancel(order.order_id, self._market_us) if order.is_open else None
        if remaining_e8 is None:
            raise errors.unknown_order()
        assert remaining_e8 == order.remaining_e8, "market and account agree on what rests"
        name = cancel_client_id or self._make_client_id()
        self._end(account, order, "CANCELED", "CANCELED", self.server_us(), cancel_client_id=name)
        return name

    def find(self, account: Account, order_id: int | None, client_id: str | None) -> Order | None:
        """The account's order of that id (which rules) or client id; None if there is none. -2039 if they disagree."""
        if order_id is None:
            return account.by_client_id.get(client_id or "")
        order = account.orders.get(order_id)
        if order is not None and client_id is not None and order.client_id != client_id:
            raise errors.wrong_client_id()
        return order

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
            stp_mode=request.stp_mode,
            placed_us=now_us,
            updated_us=now_us,
        )

    def _make_client_id(self) -> str:
        return "".join(self._rng.choices(_CLIENT_ID_ALPHABET, k=22))

    def _pays_with(self, order: Order) -> str:
        return self.rules.quote if order.side is Side.BUY else self.rules.base

    def _lock_funds(self, account: Account, order: Order, now_us: int) -> None:
        if order.side is Side.SELL:
            needed_e8 = order.qty_e8
        elif order.kind is OrderKind.MARKET:
            needed_e8 = sum(multiply_e8(price, qty) for price, qty in self._reach(order))
        else:
            needed_e8 = multiply_e8(order.price_e8, order.qty_e8)
        balance = account.balance(self._pays_with(order))
        if needed_e8 > balance.free_e8:
            self._reject(account, order, "INSUFFICIENT_BALANCES", now_us)
            raise errors.insufficient_balance()
        balance.lock(needed_e8)
        order.locked_e8 = needed_e8

    def _reach(self, order: Order) -> list[tuple[int, int]]:
        """The opposite (price, quantity) pairs that the order could trade with now, best first."""
        book = self.market.depth(_WHOLE_BOOK)
        assert book is not None, "orders are taken only while there is a book"
        levels = book[2] if order.side is Side.BUY else book[1]
        reached, left_e8 = [], order.qty_e8
        for price_e8, qty_e8 in levels:
            if left_e8 == 0 or (order.kind is not OrderKind.MARKET and not _crosses(order, price_e8)):
                break
            taken_e8 = min(left_e8, qty_e8)
            reached.append((price_e8, taken_e8))
            left_e8 -= taken_e8
        return reached

    def _takes_own_order(self, account: Account, order: Order) -> bool:
        """Whether an EXPIRE_TAKER order reaches the price of an own resting order: then it expires whole, untraded."""
        if order.stp_mode != "EXPIRE_TAKER" or order.kind is OrderKind.LIMIT_MAKER:
            return False
        reached = {price_e8 for price_e8, _ in self._reach(order)}
        return any(own.side is not order.side and own.price_e8 in reached for own in account.open_orders.values())

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

    def _end(
        self, account: Account, order: Order, status: str, execution: str, now_us: int, *, cancel_client_id: str = ""
    ) -> None:
        """End an order that is not filled: free its funds, tell its account."""
        self._unlock(account, order)
        del self._open[order.order_id]
        account.retire(order, status, now_us)
        self._report(order, execution, now_us, cancel_client_id=cancel_client_id)
        self._position(account, now_us)

    def _book(self, executions: Iterable[Execution]) -> None:
        for execution in executions:
            order = self._open[execution.order_id]
            self._book_one(self.accounts[order.account_id], order, execution, self.server_us())

    def _book_one(self, account: Account, order: Order, execution: Execution, now_us: int) -> None:
        price_e8, qty_e8 = execution.price_e8, execution.qty_e8
        quote_e8 = multiply_e8(price_e8, qty_e8)
        base, quote = account.balance(self.rules.base), account.balance(self.rules.quote)
        received_e8, asset = (qty_e8, self.rules.base) if order.side is Side.BUY else (quote_e8, self.rules.quote)
        fee_e8 = commission_e8(received_e8, self.maker_rate_e8 if execution.maker else self.taker_rate_e8)
        if order.side is Side.BUY:
            set_aside_e8 = quote_e8 if order.kind is OrderKind.MARKET else multiply_e8(order.price_e8, qty_e8)
            quote.pay(quote_e8)
            quote.unlock(set_aside_e8 - quote_e8)
            base.receive(received_e8 - fee_e8)
        else:
            set_aside_e8 = qty_e8
            base.pay(qty_e8)
            quote.receive(received_e8 - fee_e8)
        order.locked_e8 -= set_aside_e8
        self.fees_e8[asset] += fee_e8
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
            self._unlock(account, order)
            del self._open[order.order_id]
            account.retire(order, "FILLED", now_us)
        self._report(order, "TRADE", now_us, fill=fill)
        self._position(account, now_us)

    def _report(
        self,
        order: Order,
        execution: str,
        now_us: int,
        *,
        fill: Fill | None = None,
        cancel_client_id: str = "",
        reject_reason: str = "NONE",
    ) -> None:
        execution_id, self._next_execution_id = self._next_execution_id, self._next_execution_id + 1
        event = userdata.execution_report(
            order,
            self.rules.symbol,
            execution,
            execution_id=execution_id,
            now_us=now_us,
            fill=fill,
            cancel_client_id=cancel_client_id,
            reject_reason=reject_reason,
        )
        self._outbox.append(UserEvent(order.account_id, event))

    def _position(self, account: Account, now_us: int) -> None:
        account.updated_us = now_us
        touched = {asset: account.balance(asset) for asset in (self.rules.base, self.rules.quote)}
        event = userdata.account_position(touched, event_us=now_us, updated_us=now_us)
        self._outbox.append(UserEvent(account.account_id, event))


def _crosses(order: Order, opposite_price_e8: int) -> bool:
    if order.side is Side.BUY:
        return opposite_price_e8 <= order.price_e8
    return opposite_price_e8 >= order.price_e8


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
