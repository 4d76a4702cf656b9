"""The symbol's filters as checks in integers. Each failure names its filter, as the exchange does."""

from __future__ import annotations

from mmcore.venue.decimals import UNIT_E8
from mmcore.venue.errors import filter_failure
from mmcore.venue.market import OrderKind
from mmcore.venue.symbol import SymbolRules


def check_order(
    rules: SymbolRules,
    kind: OrderKind,
    price_e8: int,
    qty_e8: int,
    *,
    quote_qty_e8: int,
    reference_e8: int,
    open_orders: int,
) -> None:
    """Raise -1013 at the first filter that a new order fails.

    `price_e8` is 0 for MARKET; with a `quote_qty_e8` its quantity comes later, in whole steps. `reference_e8` is the
    price that bounds and notionals go by, 0 while there is none: then the checks that need it are not made.
    `open_orders` counts the account's open orders on the symbol, which is the exchange's only one.
    """
    if kind is not OrderKind.MARKET:
        _check_price(rules, price_e8, reference_e8)
        _check_quantity(rules, qty_e8, "LOT_SIZE")
        _check_notional(rules, price_e8 * qty_e8)
        if open_orders >= rules.max_num_orders:
            raise filter_failure("MAX_NUM_ORDERS")
        if open_orders >= rules.exchange_max_num_orders:
            raise filter_failure("EXCHANGE_MAX_NUM_ORDERS")
        return
    notional_e16 = quote_qty_e8 * UNIT_E8
    if not quote_qty_e8:
        _check_quantity(rules, qty_e8, "MARKET_LOT_SIZE")
        notional_e16 = reference_e8 * qty_e8
    if notional_e16 < rules.min_notional_e8 * UNIT_E8 and (quote_qty_e8 or reference_e8):
        raise filter_failure("NOTIONAL")


def check_amend(rules: SymbolRules, price_e8: int, qty_e8: int) -> None:
    """Raise -1013 at the first filter that an order reduced to `qty_e8` would fail."""
    _check_quantity(rules, qty_e8, "LOT_SIZE")
    _check_notional(rules, price_e8 * qty_e8)


def _check_quantity(rules: SymbolRules, qty_e8: int, name: str) -> None:
    if qty_e8 < rules.min_qty_e8 or qty_e8 > rules.max_qty_e8 or qty_e8 % rules.step_e8:
        raise filter_failure(name)


def _check_notional(rules: SymbolRules, notional_e16: int) -> None:
    if not rules.min_notional_e8 * UNIT_E8 <= notional_e16 <= rules.max_notional_e8 * UNIT_E8:
        raise filter_failure("NOTIONAL")


def _check_price(rules: SymbolRules, price_e8: int, reference_e8: int) -> None:
    if price_e8 < rules.min_price_e8 or price_e8 > rules.max_price_e8 or price_e8 % rules.tick_e8:
        raise filter_failure("PRICE_FILTER")
    scaled = price_e8 * UNIT_E8
    too_high = scaled > reference_e8 * rules.multiplier_up_e8
    too_low = scaled < reference_e8 * rules.multiplier_down_e8
    if reference_e8 and (too_high or too_low):
        raise filter_failure("PERCENT_PRICE_BY_SIDE")
