"""Requests about an account: balances, rates, counts, filters and trades.

An answer is JSON-able data in the exchange's own field order, every time in it a `Stamp`.
"""

from __future__ import annotations

from typing import Any

from mmcore.venue.accounts import Fill
from mmcore.venue.calls import Call, check_symbol, check_time_range, discount_row
from mmcore.venue.commission import Rates
from mmcore.venue.decimals import format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.jsontext import Stamp
from mmcore.venue.market import Side
from mmcore.venue.symbol import exchange_filters, symbol_filters

TRADE_FILTERS = ("orderId", "startTime", "endTime", "fromId")
_TRADE_COMBINATIONS: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


def _rates_row(rates: Rates) -> dict[str, str]:
    return {
        "maker": format_e8(rates.maker),
        "taker": format_e8(rates.taker),
        "buyer": format_e8(rates.buyer),
        "seller": format_e8(rates.seller),
    }


def account(call: Call) -> dict[str, Any]:
    """GET account, account.status."""
    exchange, owner = call.exchange, call.account
    hide_zero = call.params.flag("omitZeroBalances", False)
    rates = owner.commission.standard
    return {
        "makerCommission": rates.maker // 10_000,
        "takerCommission": rates.taker // 10_000,
        "buyerCommission": rates.buyer // 10_000,
        "sellerCommission": rates.seller // 10_000,
        "commissionRates": _rates_row(rates),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": Stamp(owner.updated_us),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": format_e8(balance.free_e8), "locked": format_e8(balance.locked_e8)}
            for asset, balance in owner.balances.items()
            if not hide_zero or balance.free_e8 or balance.locked_e8
        ],
        "permissions": ["SPOT"],
        "uid": 1 + list(exchange.accounts).index(owner.account_id),
    }


def commission(call: Call) -> dict[str, Any]:
    """GET account/commission, account.commission."""
    check_symbol(call)
    held = call.account.commission
    return {
        "symbol": call.exchange.rules.symbol,
        "standardCommission": _rates_row(held.standard),
        "specialCommission": _rates_row(held.special),
        "taxCommission": _rates_row(held.tax),
        "discount": discount_row(call),
    }


def order_counts(call: Call) -> list[dict[str, Any]]:
    """GET rateLimit/order, account.rateLimits.orders."""
    now_us = call.exchange.server_us()
    return [counter.describe(now_us) for counter in call.account.order_counts]


def my_filters(call: Call) -> dict[str, Any]:
    """GET myFilters, myFilters."""
    check_symbol(call)
    rules = call.exchange.rules
    return {
        "exchangeFilters": exchange_filters(rules),
        "symbolFilters": symbol_filters(rules),
        "assetFilters": [],
    }


def my_trades(call: Call) -> list[dict[str, Any]]:
    """GET myTrades, myTrades."""
    check_symbol(call)
    params = call.params
    if {name for name in TRADE_FILTERS if name in params} not in _TRADE_COMBINATIONS:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    start_us, end_us = check_time_range(params)
    order_id, from_id = params.integer("orderId"), params.integer("fromId")
    found = [
        fill
        for fill in call.account.fills
        if (order_id is None or fill.order_id == order_id)
        and (from_id is None or fill.trade_id >= from_id)
        and (start_us is None or fill.time_us >= start_us)
        and (end_us is None or fill.time_us // 1000 <= end_us // 1000)
    ]
    found.sort(key=lambda fill: (fill.trade_id, fill.order_id))
    limit = params.limit(500, 1000)
    from_the_start = from_id is not None or start_us is not None
    return [_trade_row(call, fill) for fill in (found[:limit] if from_the_start else found[-limit:])]


def _trade_row(call: Call, fill: Fill) -> dict[str, Any]:
    return {
        "symbol": call.exchange.rules.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": format_e8(fill.price_e8),
        "qty": format_e8(fill.qty_e8),
        "quoteQty": format_e8(fill.quote_e8),
        "commission": format_e8(fill.commission_e8),
        "commissionAsset": fill.commission_asset,
        "time": Stamp(fill.time_us),
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.maker,
        "isBestMatch": True,
    }
