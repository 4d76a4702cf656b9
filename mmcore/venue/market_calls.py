"""Public requests: the exchange itself and its market data. An answer is JSON-able data, every time in it a `Stamp`."""

from __future__ import annotations

from typing import Any

from mmcore.venue import errors
from mmcore.venue.calls import Call, check_symbol, check_symbol_list
from mmcore.venue.commission import DISCOUNT_ASSET
from mmcore.venue.decimals import format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.exchange import Exchange
from mmcore.venue.jsontext import Stamp
from mmcore.venue.params import Params
from mmcore.venue.symbol import STATUSES, exchange_filters, symbol_info


def ping(call: Call) -> dict[str, Any]:
    """GET ping, ping."""
    return {}


def time(call: Call) -> dict[str, Any]:
    """GET time, time."""
    return {"serverTime": Stamp(call.exchange.server_us())}


def exchange_info(call: Call) -> dict[str, Any]:
    """GET exchangeInfo, exchangeInfo."""
    exchange, params = call.exchange, call.params
    check_symbol(call)
    symbols = params.text("symbols")
    if symbols is not None:
        check_symbol_list(exchange, symbols)
    status = params.text("symbolStatus")
    if status is not None and status not in STATUSES:
        raise VenueError(-1122, "Invalid symbolStatus.")
    shown = (
        []
        if status not in (None, exchange.status)
        else [
            symbol_info(exchange.rules, exchange.status, with_permission_sets=params.flag("showPermissionSets", True))
        ]
    )
    limits = exchange.limits
    return {
        "timezone": "UTC",
        "serverTime": Stamp(exchange.server_us()),
        "rateLimits": [limit.describe() for limit in (limits.weight, *limits.orders, limits.raw_requests)],
        "exchangeFilters": exchange_filters(exchange.rules),
        "symbols": shown,
    }


def exchange_info_ws(call: Call) -> dict[str, Any]:
    """exchangeInfo of the WebSocket API: it knows of connections."""
    info = exchange_info(call)
    info["rateLimits"].append(call.exchange.limits.connections.describe())
    return info


def _depth_limit(params: Params) -> int:
    limit = params.integer("limit")
    return 100 if limit is None else min(max(limit, 1), 5000)


def depth_weight(params: Params) -> int:
    """By the number of levels asked for."""
    limit = _depth_limit(params)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def depth(call: Call) -> dict[str, Any]:
    """GET depth, depth."""
    check_symbol(call)
    book = call.exchange.snapshots.depth(_depth_limit(call.params), call.exchange.clock.now_us())
    if book is None:
        raise errors.not_ready()
    last_update_id, bids, asks = book
    return {
        "lastUpdateId": last_update_id,
        "bids": [[format_e8(price), format_e8(qty)] for price, qty in bids],
        "asks": [[format_e8(price), format_e8(qty)] for price, qty in asks],
    }


def _fee_pair(exchange: Exchange) -> str:
    """The pair that a fee in BNB is converted by; "" when nobody pays in it, or the symbol's own price says it."""
    rules = exchange.rules
    if not exchange.bnb_price_e8 or DISCOUNT_ASSET in (rules.base, rules.quote):
        return ""
    return DISCOUNT_ASSET + rules.quote


def book_ticker(call: Call) -> Any:
    """GET ticker/bookTicker, ticker.book. Beside its own symbol the venue quotes what it converts fees at."""
    fees = _fee_pair(call.exchange)
    if fees and call.params.text("symbol") == fees:
        price = format_e8(call.exchange.bnb_price_e8)
        return {"symbol": fees, "bidPrice": price, "bidQty": "1.00000000", "askPrice": price, "askQty": "1.00000000"}
    check_symbol(call)
    symbols = call.params.text("symbols")
    if symbols is not None:
        check_symbol_list(call.exchange, symbols)
    book = call.exchange.market.depth(1)
    if book is None:
        raise errors.not_ready()
    bid = book[1][0] if book[1] else (0, 0)
    ask = book[2][0] if book[2] else (0, 0)
    row = {
        "symbol": call.exchange.rules.symbol,
        "bidPrice": format_e8(bid[0]),
        "bidQty": format_e8(bid[1]),
        "askPrice": format_e8(ask[0]),
        "askQty": format_e8(ask[1]),
    }
    return row if "symbol" in call.params else [row]
