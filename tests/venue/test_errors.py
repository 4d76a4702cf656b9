"""Every refusal, with the exchange's code, text and HTTP status."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mmcore.venue.rest import handle_rest

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "90", "quantity": "0.1"}
MAKER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT_MAKER", "price": "90", "quantity": "0.1"}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"


def mandatory(name: str) -> str:
    return f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."


def without(params: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if key != name}


BAD_ORDERS: list[tuple[dict[str, str], int, str]] = [
    ({**ORDER, "symbol": "BTCUSD"}, -1121, "Invalid symbol."),
    (without(ORDER, "symbol"), -1102, mandatory("symbol")),
    (without(ORDER, "side"), -1102, mandatory("side")),
    (without(ORDER, "type"), -1102, mandatory("type")),
    (without(ORDER, "timeInForce"), -1102, mandatory("timeInForce")),
    (without(ORDER, "price"), -1102, mandatory("price")),
    (without(ORDER, "quantity"), -1102, mandatory("quantity")),
    ({**ORDER, "side": "buy"}, -1117, "Invalid side."),
    ({**ORDER, "type": "LIMIT_TAKER"}, -1116, "Invalid orderType."),
    ({**ORDER, "timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({**MAKER, "timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
    ({**MARKET, "price": "90"}, -1106, "Parameter 'price' sent when not required."),
    ({**ORDER, "stopPrice": "90"}, -1106, "Parameter 'stopPrice' sent when not required."),
    ({**ORDER, "quoteOrderQty": "90"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    ({**MARKET, "quoteOrderQty": "9"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
    ({**without(MARKET, "quantity"), "quoteOrderQty": "4.99"}, -1013, "Filter failure: NOTIONAL"),
    ({**ORDER, "icebergQty": "0.01"}, -1013, "Iceberg orders are not supported for this symbol."),
    ({**ORDER, "type": "STOP_LOSS"}, -1013, "Stop loss orders are not supported for this symbol."),
    ({**ORDER, "price": "-90"}, -1100, f"Illegal characters found in parameter 'price'; legal range is '{DECIMAL}'."),
    ({**ORDER, "price": "9e1"}, -1100, f"Illegal characters found in parameter 'price'; legal range is '{DECIMAL}'."),
    ({**ORDER, "price": "９０"}, -1100, f"Illegal characters found in parameter 'price'; legal range is '{DECIMAL}'."),
    ({**ORDER, "quantity": "0.123456789"}, -1111, "Parameter 'quantity' has too much precision."),
    ({**ORDER, "quantity": "99999999999999999999"}, -1108, "Parameter 'quantity' overflowed."),
    (
        {**ORDER, "newClientOrderId": "a b"},
        -1100,
        "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'.",
    ),
    ({**ORDER, "newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
    ({**ORDER, "newOrderRespType": "MUCH"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
    ({**ORDER, "colour": "red"}, -1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'."),
    (
        {**ORDER, "selfTradePreventionMode": "TRANSFER"},
        -1013,
        "This symbol does not allow the specified self-trade prevention mode.",
    ),
    ({**ORDER, "recvWindow": "60001"}, -1131, "recvWindow must be less than 60000."),
    ({**ORDER, "price": "90.001"}, -1013, "Filter failure: PRICE_FILTER"),
    ({**ORDER, "price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({**ORDER, "price": "1000000.01"}, -1013, "Filter failure: PRICE_FILTER"),
    ({**ORDER, "price": "500.01"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({**ORDER, "price": "19.99", "quantity": "1"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({**ORDER, "quantity": "0.100001"}, -1013, "Filter failure: LOT_SIZE"),
    ({**ORDER, "quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ({**ORDER, "quantity": "9000.00001"}, -1013, "Filter failure: LOT_SIZE"),
    ({**MARKET, "quantity": "0.000001"}, -1013, "Filter failure: MARKET_LOT_SIZE"),
    ({**ORDER, "price": "90", "quantity": "0.05555"}, -1013, "Filter failure: NOTIONAL"),
    ({**MARKET, "quantity": "0.04999"}, -1013, "Filter failure: NOTIONAL"),
    ({**MAKER, "price": "101"}, -2010, "Order would immediately match and take."),
    ({**ORDER, "quantity": "1112"}, -2010, "Account has insufficient balance for requested action."),
    ({**ORDER, "side": "SELL", "quantity": "1.00001"}, -2010, "Account has insufficient balance for requested action."),
]


@pytest.mark.parametrize(("params", "code", "msg"), BAD_ORDERS)
def test_a_bad_order_is_refused_in_the_exchanges_words_and_moves_nothing(
    desk: Any, params: dict[str, str], code: int, msg: str
) -> None:
    assert desk.error("POST", "/api/v3/order", params) == (400, code, msg)
    assert desk.balance("BTC") == (100_000_000, 0)
    assert desk.balance("USDT") == (100_000 * 100_000_000, 0)
    assert desk.ok("GET", "/api/v3/openOrders", {"symbol": "BTCUSDT"}) == []


@pytest.mark.parametrize(
    ("side", "price", "quantity"),
    [("SELL", "500.00", "0.1"), ("BUY", "20", "1"), ("BUY", "90", "0.05556"), ("SELL", "500", "0.01")],
)
def test_the_bounds_of_the_filters_themselves_pass(desk: Any, side: str, price: str, quantity: str) -> None:
    assert desk.place(side, price, quantity, kind="LIMIT_MAKER")["status"] == "NEW"


def test_without_a_reference_price_the_percent_filter_is_not_applied(desk: Any) -> None:
    desk.market.last_e8 = 0
    assert desk.place("BUY", "10", "1", kind="LIMIT_MAKER")["status"] == "NEW"


@pytest.mark.parametrize("path", ["/api/v3/account", "/api/v3/openOrders", "/api/v3/myTrades"])
def test_a_signed_request_without_key_is_a_bad_key_format(desk: Any, path: str) -> None:
    assert desk.error("GET", path, signed=False) == (401, -2014, "API-key format invalid.")


def test_an_unknown_key_is_refused(desk: Any) -> None:
    reply = handle_rest(desk.exchange, "GET", "/api/v3/account?timestamp=1&signature=a", "u" * 64, b"")
    assert reply.status == 401
    assert json.loads(reply.body) == {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}


def raw(desk: Any, query: str, api_key: str = "k" * 64) -> tuple[int, str]:
    reply = handle_rest(desk.exchange, "GET", f"/api/v3/account?{query}", api_key, b"")
    body = json.loads(reply.body)
    return body.get("code", 0), body.get("msg", "")


def signed_at(desk: Any, signer: Callable[[str], str], stamp: str, window: str | None = None) -> tuple[int, str]:
    query = f"timestamp={stamp}" + (f"&recvWindow={window}" if window else "")
    return raw(desk, f"{query}&signature={signer(query)}")


def test_time_and_signature_are_mandatory(desk: Any, signer: Callable[[str], str]) -> None:
    assert raw(desk, "signature=00") == (-1102, mandatory("timestamp"))
    assert raw(desk, "timestamp=1700000000000") == (-1102, mandatory("signature"))
    assert raw(desk, "timestamp=&signature=00") == (-1102, mandatory("timestamp"))
    assert raw(desk, "timestamp=1700000000000&signature=00") == (-1022, "Signature for this request is not valid.")


OLD = (-1021, "Timestamp for this request is outside of the recvWindow.")
EARLY = (-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
FINE = (0, "")


@pytest.mark.parametrize(
    ("stamp", "window", "verdict"),
    [
        ("1700000000000", None, FINE),
        ("1700000000999", None, FINE),
        ("1700000001000", None, EARLY),
        ("1700000000999999", None, FINE),
        ("1700000001000000", None, EARLY),
        ("1699999995000", None, FINE),
        ("1699999994999", None, OLD),
        ("1699999994999", "5001", FINE),
        ("1699999999999750", "0.25", FINE),
        ("1699999999999749", "0.25", OLD),
        ("1699999940000", "60000", FINE),
        ("1699999939999", "60000", OLD),
        ("1483228799999", "60000", OLD),
    ],
)
def test_the_time_window_is_exact_to_the_microsecond(
    desk: Any, signer: Callable[[str], str], stamp: str, window: str | None, verdict: tuple[int, str]
) -> None:
    assert signed_at(desk, signer, stamp, window) == verdict


@pytest.mark.parametrize("window", ["abc", "-1", "1.2345", "1e3", "+5"])
def test_a_receive_window_that_is_no_number_is_refused(desk: Any, signer: Callable[[str], str], window: str) -> None:
    assert signed_at(desk, signer, "1700000000000", window)[0] == -1100


def test_time_is_judged_by_the_shifted_clock_of_the_server(desk: Any, signer: Callable[[str], str]) -> None:
    desk.exchange.offset_us = 6_000_000
    assert signed_at(desk, signer, "1700000000000") == OLD
    desk.exchange.offset_us = -6_000_000
    assert signed_at(desk, signer, "1700000000000") == EARLY


def test_a_parameter_twice_is_refused_and_the_query_wins_over_the_body(desk: Any, signer: Callable[[str], str]) -> None:
    assert raw(desk, "timestamp=1&timestamp=1") == (-1101, "Duplicate values for a parameter detected.")
    body = "symbol=ETHUSDT&timestamp=1700000000000"
    signature = signer(f"symbol=BTCUSDT{body}")
    target = f"/api/v3/openOrders?symbol=BTCUSDT&signature={signature}"
    reply = handle_rest(desk.exchange, "DELETE", target, "k" * 64, body.encode())
    assert json.loads(reply.body) == {"code": -2011, "msg": "Unknown order sent."}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v3/orderList"), ("PUT", "/api/v3/order"), ("GET", "/api/x")]
)
def test_an_unknown_path_is_an_unsupported_operation(desk: Any, method: str, path: str) -> None:
    assert desk.error(method, path, signed=False) == (404, -1020, "This operation is not supported.")


def test_orders_that_are_not_there(desk: Any) -> None:
    neither = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
    for method in ("GET", "DELETE"):
        assert desk.error(method, "/api/v3/order", {"symbol": "BTCUSDT"}) == (400, -1102, neither)
    missing = {"symbol": "BTCUSDT", "orderId": "5"}
    assert desk.error("GET", "/api/v3/order", missing) == (400, -2013, "Order does not exist.")
    assert desk.error("DELETE", "/api/v3/order", missing) == (400, -2011, "Unknown order sent.")
    nobody = {"symbol": "BTCUSDT", "origClientOrderId": "nobody"}
    assert desk.error("DELETE", "/api/v3/order", nobody) == (400, -2011, "Unknown order sent.")
    assert desk.error("DELETE", "/api/v3/openOrders", {"symbol": "BTCUSDT"}) == (400, -2011, "Unknown order sent.")


def test_a_client_id_is_unique_among_open_orders_only(desk: Any) -> None:
    first = desk.place("BUY", "90", "0.1", newClientOrderId="mine")
    again = {**ORDER, "newClientOrderId": "mine"}
    assert desk.error("POST", "/api/v3/order", again) == (400, -2010, "Duplicate order sent.")
    other = {"symbol": "BTCUSDT", "orderId": first["orderId"], "origClientOrderId": "theirs"}
    wrong = "Client order ID is not correct for this order ID."
    assert desk.error("DELETE", "/api/v3/order", other) == (400, -2039, wrong)
    desk.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    second = desk.place("BUY", "90", "0.1", newClientOrderId="mine")
    found = desk.ok("GET", "/api/v3/order", {"symbol": "BTCUSDT", "origClientOrderId": "mine"})
    assert found["orderId"] == second["orderId"] != first["orderId"]


@pytest.mark.parametrize("status", ["HALT", "BREAK", "CANCEL_ONLY", "END_OF_DAY"])
def test_a_halted_symbol_takes_no_orders_but_all_cancels(desk: Any, status: str) -> None:
    placed = desk.place("BUY", "90", "0.1")
    assert desk.exchange.set_status(status)
    assert desk.error("POST", "/api/v3/order", ORDER) == (400, -2010, "Market is closed.")
    assert desk.ok("GET", "/api/v3/exchangeInfo", signed=False)["symbols"][0]["status"] == status
    done = desk.ok("DELETE", "/api/v3/order", {"symbol": "BTCUSDT", "orderId": placed["orderId"]})
    assert done["status"] == "CANCELED"
    assert not desk.exchange.set_status("SLEEPING")


def test_cancel_restrictions_are_obeyed(desk: Any) -> None:
    placed = desk.place("BUY", "90", "1")
    base = {"symbol": "BTCUSDT", "orderId": placed["orderId"]}
    assert desk.error("DELETE", "/api/v3/order", {**base, "cancelRestrictions": "SOME"})[1] == -1145
    refused = (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert desk.error("DELETE", "/api/v3/order", {**base, "cancelRestrictions": "ONLY_PARTIALLY_FILLED"}) == refused
    desk.market.fill(placed["orderId"], 10_000_000)
    desk.exchange.advance()
    assert desk.error("DELETE", "/api/v3/order", {**base, "cancelRestrictions": "ONLY_NEW"}) == refused
    assert desk.ok("DELETE", "/api/v3/order", base)["executedQty"] == "0.10000000"


def test_the_201st_open_order_fails_max_num_orders(desk: Any) -> None:
    for _ in range(200):
        desk.clock.now += 200_000
        desk.place("BUY", "50", "0.1")
    desk.clock.now += 10_000_000
    order = {**ORDER, "price": "50"}
    assert desk.error("POST", "/api/v3/order", order) == (400, -1013, "Filter failure: MAX_NUM_ORDERS")


def test_trade_queries_refuse_odd_combinations(desk: Any) -> None:
    path, base = "/api/v3/myTrades", {"symbol": "BTCUSDT"}
    odd = (400, -1128, "Combination of optional parameters invalid.")
    assert desk.error("GET", path, {**base, "fromId": "1", "startTime": "1"}) == odd
    long = {**base, "startTime": "1700000000000", "endTime": "1700086400001"}
    assert desk.error("GET", path, long) == (400, -1127, "More than 24 hours between startTime and endTime.")
    big = "'limit' contains unexpected value. Cannot be greater than '1000'."
    assert desk.error("GET", path, {**base, "limit": "1001"}) == (400, -1102, big)


BAD_FRAMES = [
    ("{", "null", "Invalid JSON Request"),
    ("[1]", "null", "Invalid JSON Request"),
    ('{"id":NaN,"method":"ping"}', "null", "Invalid JSON Request"),
    (
        '{"method":"ping"}',
        "null",
        "Invalid 'id' in JSON request; expected an integer, a string matching '^[a-zA-Z0-9-_]{1,36}$', or null.",
    ),
    ('{"id":1,"method":5}', "null", "Invalid 'method' in JSON request; expected a string."),
    ('{"id":1,"method":"ping","params":[]}', "null", "Invalid 'params' in JSON request; expected an object."),
]


@pytest.mark.parametrize(("frame", "id_json", "msg"), BAD_FRAMES)
def test_a_frame_that_is_no_request_is_refused(session: Any, frame: str, id_json: str, msg: str) -> None:
    (reply,) = session.handle(frame)
    body = json.loads(reply)
    assert json.dumps(body["id"]) == id_json
    assert (body["status"], body["error"]) == (400, {"code": -1135, "msg": msg})


def test_deep_nesting_and_lone_surrogates_do_not_break_a_session(session: Any) -> None:
    (reply,) = session.handle('{"id":1,"method":"ping","params":' + '{"a":' * 100_000)
    assert json.loads(reply)["error"]["code"] == -1135
    text = '{"id":1,"method":"account.status","params":{"apiKey":"\\ud800","timestamp":1,"signature":"a"}}'
    assert json.loads(session.handle(text)[0])["error"]["code"] == -2014


@pytest.mark.parametrize(("id_text"), ["1", "-5", '"a-B_9"', "null", "1663000000000000000"])
def test_an_id_is_echoed_as_it_came(session: Any, id_text: str) -> None:
    (reply,) = session.handle(f'{{"id":{id_text},"method":"v3/ping"}}')
    assert reply.startswith(f'{{"id":{id_text},"status":200,"result":{{}},"rateLimits":[')


def test_an_unknown_method_and_a_missing_key_are_refused(session: Any, ws_call: Callable[..., Any]) -> None:
    unknown = ws_call(session, "order.amaze", signed=False)
    assert unknown["error"] == {"code": -1020, "msg": "This operation is not supported."}
    nobody = ws_call(session, "account.status", signed=False)
    assert (nobody["status"], nobody["error"]["code"]) == (401, -2014)
