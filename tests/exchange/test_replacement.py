"""Answers to amends and replacements: read by the REST client and by the core's decoder, they say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmcore._native import lib
from mmcore.core.feed import Feed
from mmcore.core.kinds import Kind, Operation
from mmcore.errors import UnreachableError
from mmcore.exchange.base import OrderRequest, OrderResponse, Side
from mmcore.exchange.binance.protocol import ClockOffset, LimitState, endpoints_at
from mmcore.exchange.binance.rest import RestClient
from mmcore.exchange.binance.signing import HmacSigner
from mmcore.exchange.http import HttpReply
from mmcore.host.outcomes import to_record

Json: TypeAlias = dict[str, Any]
Told: TypeAlias = tuple[int, ...]

OLD, NEW = "mA1-0k3f9zq-0000007-b0", "mA1-0k3f9zq-0000009-b0"
CANCELED: Json = {"symbol": "BTCUSDT", "origClientOrderId": OLD, "orderId": 125690984230, "orderListId": -1,
                  "clientOrderId": "91fe37ce9e69c90d6358c0", "transactTime": 1684804350068, "price": "23450.00000000",
                  "origQty": "0.00847000", "executedQty": "0.00001000", "origQuoteOrderQty": "0.000000",
                  "cummulativeQuoteQty": "0.23450000", "status": "CANCELED", "timeInForce": "GTC",
                  "type": "LIMIT_MAKER", "side": "SELL", "selfTradePreventionMode": "NONE"}
PLACED: Json = {"symbol": "BTCUSDT", "orderId": 12569099453, "orderListId": -1, "clientOrderId": NEW,
                "transactTime": 1660813156959, "price": "23416.10000000", "origQty": "0.00847000",
                "executedQty": "0.00000000", "origQuoteOrderQty": "0.000000", "cummulativeQuoteQty": "0.00000000",
                "status": "NEW", "timeInForce": "GTC", "type": "LIMIT_MAKER", "side": "SELL"}
AMENDED: Json = {"transactTime": 1741926410255, "executionId": 75, "amendedOrder": {
    "symbol": "BTCUSDT", "orderId": 33, "orderListId": -1, "origClientOrderId": OLD, "clientOrderId": OLD,
    "price": "6.00000000", "qty": "5.00000000", "executedQty": "1.50000000", "preventedQty": "0.00000000",
    "quoteOrderQty": "0.00000000", "cumulativeQuoteQty": "9.00000000", "status": "NEW", "timeInForce": "GTC",
    "type": "LIMIT_MAKER", "side": "BUY", "workingTime": 1741926410242, "selfTradePreventionMode": "NONE"}}


class Canned:
    """HTTP that gives one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self._reply = HttpReply(status, {}, body)

    def request(self, method: str, path: str, query: str, headers: Any, on_sent: Any = None) -> HttpReply:
        if path == "/api/v3/time":
            raise UnreachableError("nobody tells the time here")
        return self._reply

    def close(self) -> None:
        pass


def by_rest(operation: Operation, status: int, body: Json) -> Iterator[Told]:
    client = RestClient(endpoints_at("http://127.0.0.1:1"), tag="A1", now_ns=lambda: 5, clock=ClockOffset(),
                        limits=LimitState(), signer=HmacSigner("secret"),
                        http=Canned(status, json.dumps(body).encode()))
    replace = operation is Operation.REPLACE
    request = OrderRequest(NEW if replace else OLD, "BTCUSDT", Side.SELL, 1, 1, 125690984230, b"wire")
    responses: tuple[OrderResponse, ...] = (
        client.replace_order(request) if replace else (client.amend_order(request),))
    for response in responses:
        seq = 9 if response.client_id == NEW else 7
        yield told(to_record(response, operation, seq, 5)[0])


def by_ws(operation: Operation, status: int, body: Json) -> Iterator[Told]:
    feed = Feed("BTCUSDT", "mA1-0k3f9zq-", "mA1-")
    request_id = "r9" if operation is Operation.REPLACE else "a7"
    reply = {"id": request_id, "status": status, "result" if status == 200 else "error": body}
    for event in feed.decode_events(json.dumps(reply).encode(), 5):
        yield told(event[0])


def told(record: Any) -> Told:
    if record.kind in (Kind.ACK, Kind.CANCELED, Kind.AMENDED, Kind.STATUS):
        report = record.body.report
        return (int(record.kind), report.order_seq, report.exchange_id, report.price_e8, report.qty_e8,
                report.executed_e8, report.status, report.side)
    outcome = record.body.outcome
    # What class an open outcome's error is of, the engine does not ask.
    detail = outcome.detail if record.kind != Kind.LOST else 0
    return int(record.kind), outcome.order_seq, outcome.operation, outcome.code, detail


CODES = st.sampled_from([-1000, -1001, -1006, -1007, -1008, -1013, -1015, -1021, -2010, -2011, -2013, -2021, -2022,
                         -2038, -9999])
MESSAGES = st.sampled_from(["Order would immediately match and take.", "Unknown order sent.",
                            "Filter failure: LOT_SIZE", "Account has insufficient balance for requested action.", "x"])


@st.composite
def halves(draw: st.DrawFn) -> Json:
    made: Json = {}
    for name, response, order in (("cancelResult", "cancelResponse", CANCELED),
                                  ("newOrderResult", "newOrderResponse", PLACED)):
        made[name] = draw(st.sampled_from(["SUCCESS", "FAILURE", "NOT_ATTEMPTED", "NEW_WORD"]))
        failed = st.one_of(st.none(), st.fixed_dictionaries({"code": CODES, "msg": MESSAGES}))
        made[response] = order if made[name] == "SUCCESS" else draw(failed)
    return made


REFUSED = [
    # Cancelled, and the new one refused.
    (409, {"code": -2021, "msg": "Order cancel-replace partially failed.", "data": {
        "cancelResult": "SUCCESS", "newOrderResult": "FAILURE", "cancelResponse": CANCELED,
        "newOrderResponse": {"code": -2010, "msg": "Order would immediately match and take."}}}),
    # Neither was done.
    (400, {"code": -2022, "msg": "Order cancel-replace failed.", "data": {
        "cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED",
        "cancelResponse": {"code": -2011, "msg": "Unknown order sent."}, "newOrderResponse": None}}),
    # No order left to spend.
    (429, {"code": -1015, "msg": "Too many new orders; current limit is 50 orders per 10 SECOND."}),
    (400, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    (503, {"code": -1000, "msg": "x"}),
]


# A 429 is the exchange's word for a limit, whatever else goes wrong at that moment.
FAILURES = st.one_of(st.tuples(st.sampled_from([400, 409]), CODES),
                     st.tuples(st.just(429), st.sampled_from([-1003, -1015])))


@given(FAILURES, MESSAGES, st.one_of(st.none(), halves()))
@example((429, -1015), "Too many new orders", None)
def test_a_replacement_that_failed_is_told_alike_over_both_ways(
    failure: tuple[int, int], message: str, data: Json | None
) -> None:
    status, code = failure
    body: Json = {"code": code, "msg": message} | ({} if data is None else {"data": data})
    over_rest, over_ws = (list(way(Operation.REPLACE, status, body)) for way in (by_rest, by_ws))
    assert over_rest == over_ws
    assert over_rest, "something became of it"


@given(st.one_of(FAILURES.filter(lambda one: one[0] != 409), st.tuples(st.sampled_from([500, 502, 503, 504]), CODES)),
       MESSAGES)
def test_an_amend_that_failed_is_told_alike_over_both_ways(failure: tuple[int, int], message: str) -> None:
    status, code = failure
    body = {"code": code, "msg": message}
    over_rest, over_ws = (list(way(Operation.AMEND, status, body)) for way in (by_rest, by_ws))
    assert over_rest == over_ws
    assert [one[0] for one in over_rest] in ([Kind.AMEND_REJECT], [Kind.LOST])


@pytest.mark.parametrize("status_text", ["NEW", "PARTIALLY_FILLED"])
def test_what_was_done_is_told_alike_over_both_ways(status_text: str) -> None:
    amended = AMENDED | {"amendedOrder": AMENDED["amendedOrder"] | {"status": status_text}}
    assert list(by_rest(Operation.AMEND, 200, amended)) == list(by_ws(Operation.AMEND, 200, amended)) == [
        (Kind.AMENDED, 7, 33, 600_000_000, 500_000_000, 150_000_000, lib.MM_ORDER_LIVE, 0)]
    done = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS", "cancelResponse": CANCELED,
            "newOrderResponse": PLACED | {"status": status_text}}
    assert list(by_rest(Operation.REPLACE, 200, done)) == list(by_ws(Operation.REPLACE, 200, done)) == [
        (Kind.CANCELED, 7, 125690984230, 2_345_000_000_000, 847_000, 1_000, lib.MM_ORDER_CANCELED, 1),
        (Kind.ACK, 9, 12569099453, 2_341_610_000_000, 847_000, 0, lib.MM_ORDER_LIVE, 1)]


@pytest.mark.parametrize(("status", "body"), REFUSED)
def test_each_documented_failure_is_told_as_the_rules_say(status: int, body: Json) -> None:
    matches, unknown, limit = (lib.MM_REJECT_WOULD_MATCH, lib.MM_REJECT_UNKNOWN_ORDER, lib.MM_REJECT_LIMIT)
    replaced = Operation.REPLACE
    expected = {
        409: [(Kind.CANCELED, 7), (Kind.REJECT, 9, replaced, -2010, matches)],
        429: [(Kind.CANCEL_REJECT, 9, replaced, -1015, limit), (Kind.REJECT, 9, replaced, -1015, limit)],
        503: [(Kind.LOST, 9, replaced, -1000, 0)],
    }.get(status, [(Kind.LOST, 9, replaced, -1007, 0)] if body["code"] == -1007 else [
        (Kind.CANCEL_REJECT, 9, replaced, -2011, unknown), (Kind.REJECT, 9, replaced, -2022, lib.MM_REJECT_OTHER)])
    for way in (by_rest, by_ws):
        got = list(way(replaced, status, body))
        assert [one[:len(wanted)] for one, wanted in zip(got, expected, strict=True)] == expected


@pytest.mark.parametrize("body", [{}, {"cancelResult": "SUCCESS"}, {"cancelResult": "SUCCESS", "cancelResponse": {}},
                                  {"amendedOrder": []}, {"amendedOrder": CANCELED}])
def test_a_success_that_cannot_be_read_leaves_all_open_over_rest(body: Json) -> None:
    for operation in (Operation.REPLACE, Operation.AMEND):
        assert [one[0] for one in by_rest(operation, 200, body)] == [Kind.LOST] or (
            operation is Operation.AMEND and body.get("amendedOrder") == CANCELED)
