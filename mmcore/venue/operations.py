"""What can be asked of the exchange, once for REST and WebSocket API: parameters, weight, security and the answer.

An answer is JSON-able data in the exchange's own field order, every time in it a `Stamp`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mmcore.venue import errors
from mmcore.venue.accounts import Account, Fill, Order
from mmcore.venue.decimals import format_e8
from mmcore.venue.errors import VenueError
from mmcore.venue.exchange import Exchange, OrderRequest
from mmcore.venue.jsontext import Stamp
from mmcore.venue.market import OrderKind, Side, TimeInForce
from mmcore.venue.params import Params
from mmcore.venue.signing import ApiKey
from mmcore.venue.symbol import STATUSES, STP_MODES, symbol_info

_ZERO = format_e8(0)
_DAY_US = 86_400_000_000
_AHEAD_US = 1_000_000
_UNSUPPORTED_TYPES = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
}
_ORDER_REQUIRED = ("symbol", "side", "type")
_ORDER_OPTIONAL = (
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
)
_TRADE_FILTERS = ("orderId", "startTime", "endTime", "fromId")
_TRADE_COMBINATIONS: tuple[set[str], ...] = (
    set(),
    {"orderId"},
    {"startTime"},
    {"endTime"},
    {"fromId"},
    {"startTime", "endTime"},
    {"orderId", "fromId"},
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request on its way through the exchange: `key` is the authenticated key, None on public requests."""

    exchange: Exchange
    params: Params
    key: ApiKey | None

    @property
    def account(self) -> Account:
        """The authenticated account."""
        assert self.key is not None, "only signed operations ask for the account"
        return self.exchange.accounts[self.key.account_id]


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the API. `weight` is a number or follows from the parameters; `weight_ok` replaces it on success."""

    handler: Callable[[Call], Any]
    weight: int | Callable[[Params], int]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    signed: bool = False
    weight_ok: int | None = None
    places_order: bool = False

    def cost(self, params: Params, *, succeeded: bool) -> int:
        """The request's weight."""
        if succeeded and self.weight_ok is not None:
            return self.weight_ok
        return self.weight if isinstance(self.weight, int) else self.weight(params)


def authenticate(exchange: Exchange, key: ApiKey, params: Params, payloads: Iterable[bytes]) -> None:
    """Judge time (-1021), then signature (-1022), of a signed request whose key has been found.

    It is valid over any of the payloads.
    """
    check_time(exchange, params)
    signature = params.text("signature") or ""
    if not any(key.verify(payload, signature) for payload in payloads):
        raise errors.invalid_signature()


def check_time(exchange: Exchange, params: Params) -> None:
    """-1021 unless the timestamp is less than 1000 ms ahead and no older than recvWindow."""
    timestamp_us = params.timestamp_us("timestamp")
    if timestamp_us is None:
        raise errors.mandatory("timestamp")
    window_us = params.recv_window_us()
    now_us = exchange.server_us()
    if timestamp_us >= now_us + _AHEAD_US:
        raise errors.ahead_of_server()
    if now_us - timestamp_us > window_us:
        raise errors.outside_window()


def check_symbol(call: Call) -> None:
    """-1121 unless `symbol`, where sent, is the venue's."""
    symbol = call.params.text("symbol")
    if symbol is not None and symbol != call.exchange.rules.symbol:
        raise errors.invalid_symbol()


# General and market data


def _ping(call: Call) -> dict[str, Any]:
    return {}


def _time(call: Call) -> dict[str, Any]:
    return {"serverTime": Stamp(call.exchange.server_us())}


def _exchange_info(call: Call) -> dict[str, Any]:
    exchange, params = call.exchange, call.params
    check_symbol(call)
    symbols = params.text("symbols")
    if symbols is not None:
        _check_symbol_list(exchange, symbols)
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
        "exchangeFilters": [],
        "symbols": shown,
    }


def _exchange_info_ws(call: Call) -> dict[str, Any]:
    info = _exchange_info(call)
    info["rateLimits"].append(call.exchange.limits.connections.describe())
    return info


def _check_symbol_list(exchange: Exchange, text: str) -> None:
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise errors.illegal_characters("symbols", '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$')
    if any(name != exchange.rules.symbol for name in names):
        raise errors.invalid_symbol()


def _depth_limit(params: Params) -> int:
    limit = params.integer("limit")
    return 100 if limit is None else min(max(limit, 1), 5000)


def _depth_weight(params: Params) -> int:
    limit = _depth_limit(params)
    return 5 if limit <= 100 else 25 if limit <= 500 else 50 if limit <= 1000 else 250


def _depth(call: Call) -> dict[str, Any]:
    check_symbol(call)
    book = call.exchange.market.depth(_depth_limit(call.params))
    if book is None:
        raise errors.not_ready()
    last_update_id, bids, asks = book
    return {
        "lastUpdateId": last_update_id,
        "bids": [[format_e8(price), format_e8(qty)] for price, qty in bids],
        "asks": [[format_e8(price), format_e8(qty)] for price, qty in asks],
    }


def _book_ticker(call: Call) -> Any:
    check_symbol(call)
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


# Orders


def _read_order(call: Call) -> OrderRequest:
    params = call.params
    check_symbol(call)
    side = params.text("side")
    if side not in ("BUY", "SELL"):
        raise VenueError(-1117, "Invalid side.")
    kind_name = params.text("type") or ""
    if kind_name in _UNSUPPORTED_TYPES:
        raise VenueError(-1013, _UNSUPPORTED_TYPES[kind_name])
    if kind_name not in OrderKind.__members__:
        raise VenueError(-1116, "Invalid orderType.")
    kind = OrderKind(kind_name)
    _check_order_shape(params, kind)
    price_e8 = 0 if kind is OrderKind.MARKET else params.decimal_e8("price")
    stp_mode = params.text("selfTradePreventionMode") or "NONE"
    if stp_mode not in STP_MODES:
        raise VenueError(-1013, "This symbol does not allow the specified self-trade prevention mode.")
    return OrderRequest(
        side=Side(side),
        kind=kind,
        tif=TimeInForce(params.text("timeInForce") or "GTC"),
        price_e8=price_e8,
        qty_e8=params.decimal_e8("quantity"),
        client_id=params.client_id("newClientOrderId") or "",
        stp_mode=stp_mode,
    )


def _check_order_shape(params: Params, kind: OrderKind) -> None:
    """Refuse what the order type does not take, and what this symbol does not offer."""
    tif = params.text("timeInForce")
    if kind is OrderKind.LIMIT:
        if tif is None:
            raise errors.mandatory("timeInForce")
    elif tif is not None:
        raise errors.not_required("timeInForce")
    if tif is not None and tif not in TimeInForce.__members__:
        raise VenueError(-1115, "Invalid timeInForce.")
    for name in ("stopPrice", "trailingDelta"):
        if name in params:
            raise errors.not_required(name)
    if "icebergQty" in params:
        raise VenueError(-1013, "Iceberg orders are not supported for this symbol.")
    if "quoteOrderQty" in params:
        if kind is not OrderKind.MARKET:
            raise errors.not_required("quoteOrderQty")
        raise VenueError(-1013, "Quote order qty market orders are not support for this symbol.")
    if kind is OrderKind.MARKET and "price" in params:
        raise errors.not_required("price")


def _response_type(params: Params, kind: OrderKind) -> str:
    value = params.text("newOrderRespType")
    if value is None:
        return "ACK" if kind is OrderKind.LIMIT_MAKER else "FULL"
    if value not in ("ACK", "RESULT", "FULL"):
        raise VenueError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return value


def _place(call: Call) -> dict[str, Any]:
    request = _read_order(call)
    response_type = _response_type(call.params, request.kind)
    order = call.exchange.place(call.account, request)
    result = {
        "symbol": call.exchange.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": Stamp(order.placed_us),
    }
    if response_type == "ACK":
        return result
    result.update(_order_state(order))
    result["workingTime"] = Stamp(order.placed_us)
    result["selfTradePreventionMode"] = order.stp_mode
    if order.expiry_reason:
        result["expiryReason"] = order.expiry_reason
    if response_type == "FULL":
        result["fills"] = [_fill_row(fill) for fill in order.fills]
    return result


def _order_state(order: Order) -> dict[str, Any]:
    return {
        "price": format_e8(order.price_e8),
        "origQty": format_e8(order.qty_e8),
        "executedQty": format_e8(order.executed_e8),
        "origQuoteOrderQty": _ZERO,
        "cummulativeQuoteQty": format_e8(order.quote_e8),
        "status": order.status,
        "timeInForce": order.tif.value,
        "type": order.kind.value,
        "side": order.side.value,
    }


def _fill_row(fill: Fill) -> dict[str, Any]:
    return {
        "price": format_e8(fill.price_e8),
        "qty": format_e8(fill.qty_e8),
        "commission": format_e8(fill.commission_e8),
        "commissionAsset": fill.commission_asset,
        "tradeId": fill.trade_id,
    }


def _test(call: Call) -> dict[str, Any]:
    request = _read_order(call)
    _response_type(call.params, request.kind)
    call.exchange.check(call.account, request)
    if not call.params.flag("computeCommissionRates", False):
        return {}
    rates = {
        "maker": format_e8(call.exchange.maker_rate_e8),
        "taker": format_e8(call.exchange.taker_rate_e8),
    }
    none = {"maker": _ZERO, "taker": _ZERO}
    return {
        "standardCommissionForOrder": rates,
        "specialCommissionForOrder": none,
        "taxCommissionForOrder": none,
        "discount": _discount(),
    }


def _test_weight(params: Params) -> int:
    return 20 if (params.text("computeCommissionRates") or "").lower() == "true" else 1


def _find_order(call: Call) -> Order | None:
    check_symbol(call)
    order_id, client_id = call.params.integer("orderId"), call.params.text("origClientOrderId")
    if order_id is None and client_id is None:
        raise errors.either_mandatory("origClientOrderId", "orderId")
    return call.exchange.find(call.account, order_id, client_id)


def _cancel(call: Call) -> dict[str, Any]:
    name = call.params.client_id("newClientOrderId") or ""
    restriction = call.params.text("cancelRestrictions")
    if restriction not in (None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"):
        raise VenueError(
            -1145,
            "Invalid cancelRestrictions; `cancelRestrictions` has to be either `ONLY_NEW` or `ONLY_PARTIALLY_FILLED`.",
        )
    order = _find_order(call)
    if order is None or not order.is_open:
        raise errors.unknown_order()
    if restriction is not None and order.status != restriction.removeprefix("ONLY_"):
        raise VenueError(-2011, "Order was not canceled due to cancel restrictions.")
    return _canceled_row(call, order, call.exchange.cancel(call.account, order, name))


def _canceled_row(call: Call, order: Order, cancel_client_id: str) -> dict[str, Any]:
    return {
        "symbol": call.exchange.rules.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_client_id,
        "transactTime": Stamp(order.ended_us),
        **_order_state(order),
        "selfTradePreventionMode": order.stp_mode,
    }


def _cancel_all(call: Call) -> list[dict[str, Any]]:
    check_symbol(call)
    open_orders = list(call.account.open_orders.values())
    if not open_orders:
        raise errors.unknown_order()
    return [_canceled_row(call, order, call.exchange.cancel(call.account, order, "")) for order in open_orders]


def _order_row(call: Call, order: Order) -> dict[str, Any]:
    row = {
        "symbol": call.exchange.rules.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        **_order_state(order),
        "stopPrice": _ZERO,
        "icebergQty": _ZERO,
        "time": Stamp(order.placed_us),
        "updateTime": Stamp(order.updated_us),
        "isWorking": True,
        "workingTime": Stamp(order.placed_us),
        "selfTradePreventionMode": order.stp_mode,
    }
    if order.expiry_reason:
        row["expiryReason"] = order.expiry_reason
    return row


def _status(call: Call) -> dict[str, Any]:
    order = _find_order(call)
    if order is None:
        raise errors.no_such_order()
    return _order_row(call, order)


def _open_orders(call: Call) -> list[dict[str, Any]]:
    check_symbol(call)
    return [_order_row(call, order) for order in call.account.open_orders.values()]


# Account


def _rates(exchange: Exchange) -> dict[str, str]:
    return {
        "maker": format_e8(exchange.maker_rate_e8),
        "taker": format_e8(exchange.taker_rate_e8),
        "buyer": _ZERO,
        "seller": _ZERO,
    }


def _discount() -> dict[str, Any]:
    return {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": "0.75000000"}


def _account(call: Call) -> dict[str, Any]:
    exchange, account = call.exchange, call.account
    hide_zero = call.params.flag("omitZeroBalances", False)
    return {
        "makerCommission": exchange.maker_rate_e8 // 10_000,
        "takerCommission": exchange.taker_rate_e8 // 10_000,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(exchange),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": Stamp(account.updated_us),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": format_e8(balance.free_e8), "locked": format_e8(balance.locked_e8)}
            for asset, balance in account.balances.items()
            if not hide_zero or balance.free_e8 or balance.locked_e8
        ],
        "permissions": ["SPOT"],
        "uid": 1 + list(exchange.accounts).index(account.account_id),
    }


def _commission(call: Call) -> dict[str, Any]:
    check_symbol(call)
    none = {"maker": _ZERO, "taker": _ZERO, "buyer": _ZERO, "seller": _ZERO}
    return {
        "symbol": call.exchange.rules.symbol,
        "standardCommission": _rates(call.exchange),
        "specialCommission": none,
        "taxCommission": none,
        "discount": _discount(),
    }


def _order_counts(call: Call) -> list[dict[str, Any]]:
    now_us = call.exchange.server_us()
    return [counter.describe(now_us) for counter in call.account.order_counts]


def _my_trades(call: Call) -> list[dict[str, Any]]:
    check_symbol(call)
    params = call.params
    if {name for name in _TRADE_FILTERS if name in params} not in _TRADE_COMBINATIONS:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    start_us, end_us = params.timestamp_us("startTime"), params.timestamp_us("endTime")
    if start_us is not None and end_us is not None and end_us - start_us > _DAY_US:
        raise VenueError(-1127, "More than 24 hours between startTime and endTime.")
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


PING = Operation(_ping, 1)
TIME = Operation(_time, 1)
_EXCHANGE_INFO_OPTIONAL = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
EXCHANGE_INFO = Operation(_exchange_info, 20, optional=_EXCHANGE_INFO_OPTIONAL)
EXCHANGE_INFO_WS = Operation(_exchange_info_ws, 20, optional=_EXCHANGE_INFO_OPTIONAL)
DEPTH = Operation(_depth, _depth_weight, required=("symbol",), optional=("limit",))
BOOK_TICKER = Operation(_book_ticker, lambda params: 2 if "symbol" in params else 4, optional=("symbol",))
PLACE = Operation(
    _place,
    1,
    required=_ORDER_REQUIRED,
    optional=_ORDER_OPTIONAL,
    signed=True,
    weight_ok=0,
    places_order=True,
)
TEST = Operation(
    _test,
    _test_weight,
    required=_ORDER_REQUIRED,
    optional=(*_ORDER_OPTIONAL, "computeCommissionRates"),
    signed=True,
)
CANCEL = Operation(
    _cancel,
    1,
    required=("symbol",),
    optional=("orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"),
    signed=True,
    weight_ok=0,
)
CANCEL_ALL = Operation(_cancel_all, 1, required=("symbol",), signed=True, weight_ok=0)
ORDER_STATUS = Operation(_status, 4, required=("symbol",), optional=("orderId", "origClientOrderId"), signed=True)
OPEN_ORDERS = Operation(_open_orders, lambda params: 6 if "symbol" in params else 80, optional=("symbol",), signed=True)
ACCOUNT = Operation(_account, 20, optional=("omitZeroBalances",), signed=True)
COMMISSION = Operation(_commission, 20, required=("symbol",), signed=True)
ORDER_COUNTS = Operation(_order_counts, 40, signed=True)
MY_TRADES = Operation(
    _my_trades,
    lambda params: 5 if "orderId" in params else 20,
    required=("symbol",),
    optional=(*_TRADE_FILTERS, "limit"),
    signed=True,
)

REST_ROUTES: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v3/ping"): PING,
    ("GET", "/api/v3/time"): TIME,
    ("GET", "/api/v3/exchangeInfo"): EXCHANGE_INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/ticker/bookTicker"): BOOK_TICKER,
    ("POST", "/api/v3/order"): PLACE,
    ("POST", "/api/v3/order/test"): TEST,
    ("DELETE", "/api/v3/order"): CANCEL,
    ("DELETE", "/api/v3/openOrders"): CANCEL_ALL,
    ("GET", "/api/v3/order"): ORDER_STATUS,
    ("GET", "/api/v3/openOrders"): OPEN_ORDERS,
    ("GET", "/api/v3/account"): ACCOUNT,
    ("GET", "/api/v3/account/commission"): COMMISSION,
    ("GET", "/api/v3/rateLimit/order"): ORDER_COUNTS,
    ("GET", "/api/v3/myTrades"): MY_TRADES,
}

WS_METHODS: Mapping[str, Operation] = {
    "ping": PING,
    "time": TIME,
    "exchangeInfo": EXCHANGE_INFO_WS,
    "depth": DEPTH,
    "ticker.book": BOOK_TICKER,
    "order.place": PLACE,
    "order.test": TEST,
    "order.cancel": CANCEL,
    "openOrders.cancelAll": CANCEL_ALL,
    "order.status": ORDER_STATUS,
    "openOrders.status": OPEN_ORDERS,
    "account.status": ACCOUNT,
    "account.commission": COMMISSION,
    "account.rateLimits.orders": ORDER_COUNTS,
    "myTrades": MY_TRADES,
}
