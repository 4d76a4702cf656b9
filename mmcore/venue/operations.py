"""What can be asked of the exchange, once for REST and WebSocket API: each entry's parameters, weight and security."""

from __future__ import annotations

from collections.abc import Mapping

from mmcore.venue import account_calls, market_calls, order_calls, ticker_calls
from mmcore.venue.calls import Operation

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

PING = Operation(market_calls.ping, 1)
TIME = Operation(market_calls.time, 1)
_EXCHANGE_INFO_OPTIONAL = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
EXCHANGE_INFO = Operation(market_calls.exchange_info, 20, optional=_EXCHANGE_INFO_OPTIONAL)
EXCHANGE_INFO_WS = Operation(market_calls.exchange_info_ws, 20, optional=_EXCHANGE_INFO_OPTIONAL)
DEPTH = Operation(market_calls.depth, market_calls.depth_weight, required=("symbol",), optional=("limit",))
_SYMBOLS = ("symbol", "symbols")
BOOK_TICKER = Operation(market_calls.book_ticker, ticker_calls.ticker_weight, optional=_SYMBOLS)
TRADES = Operation(ticker_calls.trades, 25, required=("symbol",), optional=("limit",))
HISTORICAL_TRADES = Operation(ticker_calls.historical_trades, 25, required=("symbol",), optional=("limit", "fromId"))
AGGREGATE_TRADES = Operation(
    ticker_calls.aggregate_trades, 4, required=("symbol",), optional=("fromId", "startTime", "endTime", "limit")
)
KLINES = Operation(
    ticker_calls.klines,
    2,
    required=("symbol", "interval"),
    optional=("startTime", "endTime", "timeZone", "limit"),
)
AVERAGE_PRICE = Operation(ticker_calls.average_price, 2, required=("symbol",))
PRICE_TICKER = Operation(ticker_calls.price_ticker, ticker_calls.ticker_weight, optional=_SYMBOLS)
DAY_TICKER = Operation(ticker_calls.day_ticker, ticker_calls.day_ticker_weight, optional=(*_SYMBOLS, "type"))
WINDOW_TICKER = Operation(ticker_calls.window_ticker, 4, optional=(*_SYMBOLS, "windowSize", "type"))
REFERENCE_PRICE = Operation(ticker_calls.reference_price, 2, required=("symbol",))
EXECUTION_RULES = Operation(
    ticker_calls.execution_rules, ticker_calls.execution_rules_weight, optional=("symbol", "symbols", "symbolStatus")
)
PLACE = Operation(
    order_calls.place,
    1,
    required=_ORDER_REQUIRED,
    optional=_ORDER_OPTIONAL,
    signed=True,
    weight_ok=0,
    places_order=True,
    fault_class="place",
)
TEST = Operation(
    order_calls.test,
    order_calls.test_weight,
    required=_ORDER_REQUIRED,
    optional=(*_ORDER_OPTIONAL, "computeCommissionRates"),
    signed=True,
)
CANCEL = Operation(
    order_calls.cancel,
    1,
    required=("symbol",),
    optional=("orderId", "origClientOrderId", "newClientOrderId", "cancelRestrictions"),
    signed=True,
    weight_ok=0,
    fault_class="cancel",
)
CANCEL_REPLACE = Operation(
    order_calls.cancel_replace,
    1,
    required=(*_ORDER_REQUIRED, "cancelReplaceMode"),
    optional=(
        *_ORDER_OPTIONAL,
        "cancelNewClientOrderId",
        "cancelOrigClientOrderId",
        "cancelOrderId",
        "cancelRestrictions",
        "orderRateLimitExceededMode",
    ),
    signed=True,
    weight_ok=0,
    places_order=True,
    fault_class="cancel_replace",
)
AMEND = Operation(
    order_calls.amend,
    4,
    required=("symbol", "newQty"),
    optional=("orderId", "origClientOrderId", "newClientOrderId"),
    signed=True,
    weight_ok=order_calls.amend_weight,
    fault_class="amend",
)
CANCEL_ALL = Operation(
    order_calls.cancel_all, 1, required=("symbol",), signed=True, weight_ok=0, fault_class="cancel_all"
)
ORDER_STATUS = Operation(
    order_calls.status,
    4,
    required=("symbol",),
    optional=("orderId", "origClientOrderId"),
    signed=True,
    fault_class="query",
)
ALL_ORDERS = Operation(
    order_calls.all_orders,
    20,
    required=("symbol",),
    optional=("orderId", "startTime", "endTime", "limit"),
    signed=True,
    fault_class="query",
)
AMENDMENTS = Operation(
    order_calls.amendments,
    4,
    required=("symbol", "orderId"),
    optional=("fromExecutionId", "limit"),
    signed=True,
    fault_class="query",
)
PREVENTED_MATCHES = Operation(
    order_calls.prevented_matches,
    order_calls.prevented_matches_weight,
    required=("symbol",),
    optional=("preventedMatchId", "orderId", "fromPreventedMatchId", "limit"),
    signed=True,
    fault_class="query",
)
OPEN_ORDERS = Operation(
    order_calls.open_orders,
    lambda params: 6 if "symbol" in params else 80,
    optional=("symbol",),
    signed=True,
    fault_class="query",
)
ACCOUNT = Operation(account_calls.account, 20, optional=("omitZeroBalances",), signed=True, fault_class="query")
COMMISSION = Operation(account_calls.commission, 20, required=("symbol",), signed=True)
ORDER_COUNTS = Operation(account_calls.order_counts, 40, signed=True)
MY_FILTERS = Operation(account_calls.my_filters, 40, required=("symbol",), signed=True)
MY_TRADES = Operation(
    account_calls.my_trades,
    lambda params: 5 if "orderId" in params else 20,
    required=("symbol",),
    optional=(*account_calls.TRADE_FILTERS, "limit"),
    signed=True,
    fault_class="query",
)

REST_ROUTES: Mapping[tuple[str, str], Operation] = {
    ("GET", "/api/v3/ping"): PING,
    ("GET", "/api/v3/time"): TIME,
    ("GET", "/api/v3/exchangeInfo"): EXCHANGE_INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/ticker/bookTicker"): BOOK_TICKER,
    ("GET", "/api/v3/trades"): TRADES,
    ("GET", "/api/v3/historicalTrades"): HISTORICAL_TRADES,
    ("GET", "/api/v3/aggTrades"): AGGREGATE_TRADES,
    ("GET", "/api/v3/klines"): KLINES,
    ("GET", "/api/v3/uiKlines"): KLINES,
    ("GET", "/api/v3/avgPrice"): AVERAGE_PRICE,
    ("GET", "/api/v3/ticker/price"): PRICE_TICKER,
    ("GET", "/api/v3/ticker/24hr"): DAY_TICKER,
    ("GET", "/api/v3/ticker"): WINDOW_TICKER,
    ("GET", "/api/v3/referencePrice"): REFERENCE_PRICE,
    ("GET", "/api/v3/executionRules"): EXECUTION_RULES,
    ("POST", "/api/v3/order"): PLACE,
    ("POST", "/api/v3/order/test"): TEST,
    ("DELETE", "/api/v3/order"): CANCEL,
    ("POST", "/api/v3/order/cancelReplace"): CANCEL_REPLACE,
    ("PUT", "/api/v3/order/amend/keepPriority"): AMEND,
    ("GET", "/api/v3/order/amendments"): AMENDMENTS,
    ("GET", "/api/v3/myPreventedMatches"): PREVENTED_MATCHES,
    ("GET", "/api/v3/allOrders"): ALL_ORDERS,
    ("GET", "/api/v3/myFilters"): MY_FILTERS,
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
    "trades.recent": TRADES,
    "trades.historical": HISTORICAL_TRADES,
    "trades.aggregate": AGGREGATE_TRADES,
    "klines": KLINES,
    "uiKlines": KLINES,
    "avgPrice": AVERAGE_PRICE,
    "ticker.price": PRICE_TICKER,
    "ticker.24hr": DAY_TICKER,
    "ticker": WINDOW_TICKER,
    "referencePrice": REFERENCE_PRICE,
    "executionRules": EXECUTION_RULES,
    "order.place": PLACE,
    "order.test": TEST,
    "order.cancel": CANCEL,
    "order.cancelReplace": CANCEL_REPLACE,
    "order.amend.keepPriority": AMEND,
    "order.amendments": AMENDMENTS,
    "myPreventedMatches": PREVENTED_MATCHES,
    "allOrders": ALL_ORDERS,
    "myFilters": MY_FILTERS,
    "openOrders.cancelAll": CANCEL_ALL,
    "order.status": ORDER_STATUS,
    "openOrders.status": OPEN_ORDERS,
    "account.status": ACCOUNT,
    "account.commission": COMMISSION,
    "account.rateLimits.orders": ORDER_COUNTS,
    "myTrades": MY_TRADES,
}
