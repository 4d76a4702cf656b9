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
    reference_e8: int,
    open_orders: int,
) -> None:
    """Raise -1013 at the first filter that the order fails.

    `price_e8` is 0 for MARKET. `reference_e8` is the last trade's price, 0 while there is none: then the checks that
    need it are not made. `open_orders` counts the account's open orders on the symbol.
    """
    market = kind is OrderKind.MARKET
    if not market:
        _check_price(rules, price_e8, reference_e8)
    if qty_e8 < rules.min_qty_e8 or qty_e8 > rules.max_qty_e8 or qty_e8 % rules.step_e8:
        raise filter_failure("MARKET_LOT_SIZE" if market else "LOT_SIZE")
    notional_e16 = (reference_e8 if market else price_e8) * qty_e8
    if (not market or reference_e8) and notional_e16 < rules.min_notional_e8 * UNIT_E8:
        raise filter_failure("NOTIONAL")
    if not market and notional_e16 > rules.max_notional_e8 * UNIT_E8:
        raise filter_failure("NOTIONAL")
    if not market and open_orders >= rules.max_num_orders:
        raise filter_failure("MAX_NUM_ORDERS")


def _check_price(rules: SymbolRules, price_e8: int, reference_e8: int) -> None:
    if price_e8 < rules.min_price_e8 or price_e8 > rules.max_price_e8 or price_e8 % rules.tick_e8:
        raise filter_failure("PRICE_FILTER")
    scaled = price_e8 * UNIT_E8
    too_high = scaled > reference_e8 * rules.multiplier_up_e8
    too_low = scaled < reference_e8 * rules.multiplier_down_e8
    if reference_e8 and (too_high or too_low):
        raise filter_failure("PERCENT_PRICE_BY_SIDE")
