"""The one symbol the venue trades: its rules, and how exchangeInfo states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmcore.venue.decimals import UNIT_E8, format_e8
from mmcore.venue.market import StpMode

QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "TRY", "EUR", "BRL", "BTC", "ETH", "BNB")
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
STP_MODES = tuple(mode.value for mode in StpMode)
STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")


class SymbolError(ValueError):
    """A symbol or grid that this venue cannot trade exactly; the text says why."""


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Filters of one symbol. Prices, quantities and notionals count 1e-8; multipliers are ratios in 1e-8.

    A `max_position_e8` of 0 is no such filter.
    """

    symbol: str
    base: str
    quote: str
    tick_e8: int
    step_e8: int
    min_price_e8: int
    max_price_e8: int
    min_qty_e8: int
    max_qty_e8: int
    min_notional_e8: int
    max_notional_e8: int
    multiplier_up_e8: int
    multiplier_down_e8: int
    max_num_orders: int
    max_num_order_amends: int
    exchange_max_num_orders: int
    max_position_e8: int


def rules_for(symbol: str, tick_e8: int, step_e8: int) -> SymbolRules:
    """The rules of `symbol` on a grid. Raises `SymbolError` where tick times step is finer than 1e-8 of the quote."""
    if tick_e8 <= 0 or step_e8 <= 0 or (tick_e8 * step_e8) % UNIT_E8:
        raise SymbolError(
            f"{symbol}: tick {format_e8(tick_e8)} times step {format_e8(step_e8)} is finer than 0.00000001, "
            "so notionals would not be exact"
        )
    quote = next((asset for asset in QUOTE_ASSETS if symbol.endswith(asset) and symbol != asset), None)
    if quote is None:
        raise SymbolError(f"{symbol}: no known quote asset at its end ({', '.join(QUOTE_ASSETS)})")
    return SymbolRules(
        symbol=symbol,
        base=symbol[: -len(quote)],
        quote=quote,
        tick_e8=tick_e8,
        step_e8=step_e8,
        min_price_e8=tick_e8,
        max_price_e8=tick_e8 * 100_000_000,
        min_qty_e8=step_e8,
        max_qty_e8=step_e8 * 900_000_000,
        min_notional_e8=5 * UNIT_E8,
        max_notional_e8=9_000_000 * UNIT_E8,
        multiplier_up_e8=5 * UNIT_E8,
        multiplier_down_e8=UNIT_E8 // 5,
        max_num_orders=200,
        max_num_order_amends=10,
        exchange_max_num_orders=1_000,
        max_position_e8=0,
    )


def change_rules(rules: SymbolRules, changes: Mapping[str, int], *, tick_e8: int, step_e8: int) -> SymbolRules:
    """The rules with some numbers changed; least price and quantity follow tick and step. Raises `SymbolError` for
    numbers that the market, whose grid is `tick_e8` by `step_e8`, cannot trade by.
    """
    wrong = [name for name, value in changes.items() if not isinstance(getattr(rules, name, None), int) or value < 0]
    if wrong:
        raise SymbolError(f"{', '.join(wrong)}: not numbers of a symbol's rules, or below 0")
    followers = {"min_price_e8": changes.get("tick_e8"), "min_qty_e8": changes.get("step_e8")}
    values: dict[str, Any] = {name: value for name, value in followers.items() if value} | dict(changes)
    changed = replace(rules, **values)
    if not changed.tick_e8 or not changed.step_e8 or changed.tick_e8 % tick_e8 or changed.step_e8 % step_e8:
        raise SymbolError(
            f"tick {format_e8(changed.tick_e8)} and step {format_e8(changed.step_e8)} are not multiples of the "
            f"market's {format_e8(tick_e8)} and {format_e8(step_e8)}"
        )
    return changed


def symbol_filters(rules: SymbolRules) -> list[dict[str, Any]]:
    """The symbol's filters as the exchange states them."""
    up, down = format_e8(rules.multiplier_up_e8), format_e8(rules.multiplier_down_e8)
    lot = {
        "minQty": format_e8(rules.min_qty_e8),
        "maxQty": format_e8(rules.max_qty_e8),
        "stepSize": format_e8(rules.step_e8),
    }
    filters: list[dict[str, Any]] = [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": format_e8(rules.min_price_e8),
            "maxPrice": format_e8(rules.max_price_e8),
            "tickSize": format_e8(rules.tick_e8),
        },
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **lot},
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": up,
            "bidMultiplierDown": down,
            "askMultiplierUp": up,
            "askMultiplierDown": down,
            "avgPriceMins": 0,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": format_e8(rules.min_notional_e8),
            "applyMinToMarket": True,
            "maxNotional": format_e8(rules.max_notional_e8),
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_num_orders},
        {"filterType": "MAX_NUM_ORDER_AMENDS", "maxNumOrderAmends": rules.max_num_order_amends},
    ]
    if rules.max_position_e8:
        filters.append({"filterType": "MAX_POSITION", "maxPosition": format_e8(rules.max_position_e8)})
    return filters


def exchange_filters(rules: SymbolRules) -> list[dict[str, Any]]:
    """The filters on all of an account's orders."""
    return [{"filterType": "EXCHANGE_MAX_NUM_ORDERS", "maxNumOrders": rules.exchange_max_num_orders}]


def symbol_info(rules: SymbolRules, status: str, *, with_permission_sets: bool) -> dict[str, Any]:
    """The symbol's entry of exchangeInfo, with every key the exchange documents."""
    info: dict[str, Any] = {
        "symbol": rules.symbol,
        "status": status,
        "baseAsset": rules.base,
        "baseAssetPrecision": 8,
        "quoteAsset": rules.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(ORDER_TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": symbol_filters(rules),
        "permissions": [],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }
    if with_permission_sets:
        info["permissionSets"] = [["SPOT"]]
    return info
