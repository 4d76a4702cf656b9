"""What the exchange says of the symbol while the bot trades: filters may change, and with the balance of the asset that
pays for it a discount on commissions comes and goes. The engine is told of either by one event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from mmcore.core import record
from mmcore.errors import CoreError
from mmcore.exchange.base import Balance, CommissionRates, SymbolError
from mmcore.exchange.binance.filters import SymbolRules
from mmcore.host.assemble import symbol_values

_log = logging.getLogger("mmcore.rules")


class RulesWatch:
    """The rules the engine has. REST worker's thread.

    Commissions count in full until the asset of the discount is known to last for the largest order.
    """

    def __init__(self, rules: SymbolRules, rates: CommissionRates, order_notional_e8: int,
                 fail: Callable[[Exception], None]) -> None:
        """order_notional_e8: of the largest order, in quote. fail: told of a change that cannot be taken while
        running."""
        self._rules = rules
        self._rates = rates
        self._order_notional_e8 = order_notional_e8
        self._fail = fail
        self._discounted = False
        self._free_e8 = 0
        self._price_e8 = 0

    def take_rules(self, rules: SymbolRules) -> Any | None:
        """The event that tells the engine of other rules; None: they are as before."""
        old, self._rules = self._rules, rules
        if (rules.base_asset, rules.quote_asset) != (old.base_asset, old.quote_asset):
            self._fail(SymbolError(f"{rules.symbol} now trades {rules.base_asset} for {rules.quote_asset}: "
                                   "start again to trade it"))
            return None
        changed = rules.changes(old)
        if not changed:
            return None
        _log.warning("the exchange has changed the rules of %s: %s", rules.symbol, "; ".join(changed))
        return self._event()

    def take_balances(self, balances: Iterable[Balance]) -> Any | None:
        """The event that tells the engine of other commissions; None: they are as before."""
        if self._rates.discount is None:
            return None
        asset = self._rates.discount.asset
        self._free_e8 = sum(one.free_e8 for one in balances if one.asset == asset)
        return self._take_discount()

    def take_price(self, asset: str, price_e8: int) -> Any | None:
        """What an asset fees are paid in costs in quote; returns as `take_balances`."""
        if self._rates.discount is None or asset != self._rates.discount.asset:
            return None
        self._price_e8 = price_e8
        return self._take_discount()

    def _take_discount(self) -> Any | None:
        discount = self._rates.discount
        assert discount is not None
        rate_e8 = max(discount.rates.taker_buy_e8, discount.rates.taker_sell_e8)
        needed_e16 = self._order_notional_e8 * rate_e8
        lasts = self._price_e8 > 0 and self._free_e8 * self._price_e8 >= needed_e16
        if lasts == self._discounted:
            return None
        self._discounted = lasts
        _log.log(logging.INFO if lasts else logging.WARNING, "commissions are %s the discount for paying in %s",
                 "at" if lasts else "without", discount.asset)
        return self._event()

    def _event(self) -> Any | None:
        try:
            return record.rules(symbol_values(self._rules, self._rates.when(discounted=self._discounted)))
        except CoreError as error:
            self._fail(SymbolError(f"the new rules of {self._rules.symbol} cannot be traded by: {error}"))
            return None
