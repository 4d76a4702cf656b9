"""The one symbol the venue trades: its rules, and how exchangeInfo states them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmcore.venue.decimals import UNIT_E8, format_e8

QUOTE_ASSETS = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "TRY", "EUR", "BRL", "BTC", "ETH", "BNB")
ORDER_TYPES = ("LIMIT", "LIMIT_MAKER", "MARKET")
STP_MODES = ("NONE", "EXPIRE_TAKER")
STATUSES = ("TRADING", "END_OF_DAY", "HALT", "BREAK", "CANCEL_ONLY")


class SymbolError(ValueError):
    """A symbol or grid that this venue cannot trade exactly; the text says why."""


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """Filters of one symbol. Prices, quantities and notionals count 1e-8; multipliers are ratios in 1e-8."""

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
    )


def _filters(rules: SymbolRules) -> list[dict[str, Any]]:
    up, down = format_e8(rules.multiplier_up_e8), format_e8(rules.multiplier_down_e8)
    lot = {
        "minQty": format_e8(rules.min_qty_e8),
        "maxQty": format_e8(rules.max_qty_e8),
        "stepSize": format_e8(rules.step_e8),
    }
    return [
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
    ]


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
        "quoteOrderQtyMarketAllowed": False,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(rules),
        "permissions": [],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": list(STP_MODES),
    }
    if with_permission_sets:
        info["permissionSets"] = [["SPOT"]]
    return info
