"""An account as a store sees it that lags behind the matching engine: what queries read during such a fault."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from mmcore.venue.accounts import Account, Balance, Order


@dataclass(frozen=True, slots=True)
class _Change:
    time_us: int
    orders: tuple[Order, ...]
    balances: dict[str, Balance]
    fills: int
    prevented: int


class Replica:
    """A copy of an account that follows it `lag_us` later. It begins with the account as it is now. One thread."""

    def __init__(self, account: Account, lag_us: int) -> None:
        self._source = account
        self._lag_us = lag_us
        self._changes: deque[_Change] = deque()
        self._seen = copy.copy(account)
        self._seen.orders = dict(account.orders)
        self._seen.open_orders = {}
        self._seen.by_client_id = dict(account.by_client_id)
        self._seen.balances = _copied(account)
        self._seen.fills = list(account.fills)
        self._seen.prevented = list(account.prevented)
        for order in account.open_orders.values():
            self._put(_copy(order))

    def note(self, orders: Iterable[Order], now_us: int) -> None:
        """These orders of the account, and perhaps its balances, have just changed."""
        source = self._source
        self._changes.append(
            _Change(
                now_us,
                tuple(_copy(order) for order in orders),
                _copied(source),
                len(source.fills),
                len(source.prevented),
            )
        )

    def account(self, now_us: int) -> Account:
        """The account as of the lag ago."""
        while self._changes and self._changes[0].time_us <= now_us - self._lag_us:
            change = self._changes.popleft()
            for order in change.orders:
                self._put(order)
            self._seen.balances = change.balances
            self._seen.fills += self._source.fills[len(self._seen.fills) : change.fills]
            self._seen.prevented += self._source.prevented[len(self._seen.prevented) : change.prevented]
        return self._seen

    def _put(self, order: Order) -> None:
        seen = self._seen
        before = seen.orders.get(order.order_id)
        if before is not None and seen.by_client_id.get(before.client_id) is before:
            del seen.by_client_id[before.client_id]
        seen.orders[order.order_id] = order
        seen.by_client_id[order.client_id] = order
        seen.open_orders.pop(order.order_id, None)
        if order.is_open:
            seen.open_orders[order.order_id] = order


def _copy(order: Order) -> Order:
    one = copy.copy(order)
    one.fills, one.preventions, one.amendments = list(order.fills), list(order.preventions), list(order.amendments)
    return one


def _copied(account: Account) -> dict[str, Balance]:
    return {asset: copy.copy(balance) for asset, balance in account.balances.items()}
