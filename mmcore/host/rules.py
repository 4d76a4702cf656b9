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


def holds(rates: CommissionRates, balances: Iterable[Balance]) -> bool:
    """Whether the account has of the asset that a discount asks for."""
    asset = rates.discount.asset if rates.discount is not None else None
    return any(one.asset == asset and one.free_e8 > 0 for one in balances)


class RulesWatch:
    """The rules the engine has. REST worker's thread."""

    def __init__(self, rules: SymbolRules, rates: CommissionRates, discounted: bool,
                 fail: Callable[[Exception], None]) -> None:
        """discounted: whether commissions are paid at the discount now. fail: told of a change that cannot be taken
        while running."""
        self._rules = rules
        self._rates = rates
        self._discounted = discounted
        self._fail = fail

    def take_rules(self, rules: SymbolRules) -> Any | None:
        """The event that tells the engine of other filters; None: they are as before."""
        old, self._rules = self._rules, rules
        if (rules.base_asset, rules.quote_asset) != (old.base_asset, old.quote_asset):
            self._fail(SymbolError(f"{rules.symbol} now trades {rules.base_asset} for {rules.quote_asset}: "
                                   "start again to trade it"))
            return None
        if rules.filters == old.filters:
            return None
        _log.warning("the rules of %s changed: tick %d, step %d, least notional %d (counts of 1e-8)", rules.symbol,
                     rules.filters.tick_e8, rules.filters.step_e8, rules.filters.notional_min_e8)
        return self._event()

    def take_balances(self, balances: Iterable[Balance]) -> Any | None:
        """The event that tells the engine of other commissions; None: they are as before."""
        discounted = holds(self._rates, balances)
        if self._rates.discount is None or discounted == self._discounted:
            return None
        self._discounted = discounted
        _log.warning("commissions are %s the discount for paying in %s", "at" if discounted else "without",
                     self._rates.discount.asset)
        return self._event()

    def _event(self) -> Any | None:
        try:
            return record.rules(symbol_values(self._rules, self._rates.when(discounted=self._discounted)))
        except CoreError as error:
            self._fail(SymbolError(f"the new rules of {self._rules.symbol} cannot be traded by: {error}"))
            return None
